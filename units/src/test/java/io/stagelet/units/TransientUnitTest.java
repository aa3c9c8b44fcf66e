package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TransientUnitTest {
  private static final UnitName NAME = UnitName.of("ctr-a.service");

  @Test
  void repeatedCommandsAndDependenciesAddUpAndOtherSettingsReplace() {
    TransientUnit unit =
        TransientUnit.service(NAME)
            .description("first")
            .description("second")
            .type(ServiceType.EXEC)
            .after(UnitName.of("a.service"))
            .after(UnitName.of("b.service"))
            .execStart(List.of("/bin/true"), false)
            .execStopPost(List.of("/bin/a", "x"), true)
            .execStopPost(List.of("/bin/b"), false)
            .environment(Map.of("A", "1"))
            .with(UnitProperty.tasksMax(1))
            .with(List.of(UnitProperty.tasksMax(2)))
            .build();
    assertThat(unit.name()).isEqualTo(NAME);
    assertThat(unit.properties())
        .containsExactlyInAnyOrder(
            UnitProperty.description("second"),
            new UnitProperty.Text("Type", "exec"),
            new UnitProperty.Texts("After", List.of("a.service", "b.service")),
            new UnitProperty.Texts("Environment", List.of("A=1")),
            UnitProperty.tasksMax(2),
            new UnitProperty.Commands(
                "ExecStartEx", List.of(new ExecCommand(List.of("/bin/true"), false))),
            new UnitProperty.Commands(
                "ExecStopPostEx",
                List.of(
                    new ExecCommand(List.of("/bin/a", "x"), true),
                    new ExecCommand(List.of("/bin/b"), false))));
  }

  @Test
  void aServiceWithoutAStartCommandMustBeAbleToStay() {
    assertThatThrownBy(() -> TransientUnit.service(NAME).build())
        .hasMessageContaining("0 start commands");
    assertThatThrownBy(() -> TransientUnit.service(NAME).type(ServiceType.ONESHOT).build())
        .hasMessageContaining("needs a stop command");
    assertThat(
            TransientUnit.service(NAME)
                .type(ServiceType.ONESHOT)
                .remainAfterExit(true)
                .execStop(List.of("/bin/true"), false)
                .build()
                .properties())
        .isNotEmpty();
  }

  @Test
  void onlyAOneshotServiceHasSeveralStartCommands() {
    TransientUnit.ServiceBuilder two =
        TransientUnit.service(NAME)
            .execStart(List.of("/bin/true"), false)
            .execStart(List.of("/bin/true"), false);
    assertThatThrownBy(two::build).hasMessageContaining("2 start commands");
    assertThat(two.type(ServiceType.ONESHOT).build().properties()).isNotEmpty();
  }

  @Test
  void mistakesAreNamed() {
    TransientUnit.ServiceBuilder builder = TransientUnit.service(NAME);
    assertThatThrownBy(() -> builder.execStart(List.of("./true"), false))
        .hasMessageContaining("no absolute path");
    assertThatThrownBy(() -> builder.execStart(List.of(), false))
        .hasMessageContaining("no absolute path");
    assertThatThrownBy(() -> builder.slice(NAME)).hasMessageContaining("is not a slice");
    assertThatThrownBy(() -> builder.killSignal(65))
        .hasMessageContaining("65 is not the number of a signal");
    assertThatThrownBy(() -> builder.oomScoreAdjust(-1001)).hasMessageContaining("-1001");
    assertThatThrownBy(() -> builder.standardOutputFile(Path.of("relative")))
        .hasMessageContaining("relative");
    assertThatThrownBy(() -> builder.environment(Map.of("A B", ""))).hasMessageContaining("'A B'");
    assertThatThrownBy(() -> TransientUnit.slice(NAME))
        .hasMessageContaining("not the name of a slice");
    assertThatThrownBy(() ->
            builder.execStart(List.of("/bin/true"), false).pidFile(Path.of("/run/x.pid")).build())
        .hasMessageContaining("only a forking service");
  }
}
