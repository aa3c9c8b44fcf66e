package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UnitNameTest {
  private static final String ID = "0123456789ab";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "a.service",
        "getty@tty1.service",
        "system-x.slice",
        "-.slice",
        "-.mount",
        "a\\x20b.service",
        "a:b_c.d.timer"
      })
  void namesThatSystemdAllowsAreTaken(String name) {
    UnitName unit = UnitName.of(name);
    assertThat(unit.value()).isEqualTo(name);
    assertThat(unit.stem() + "." + unit.suffix()).isEqualTo(name);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a",
        ".service",
        "a.conf",
        "a b.service",
        "a/b.service",
        "ä.service",
        "a.service.",
        "@x.service"
      })
  void otherNamesAreRefused(String name) {
    assertThatThrownBy(() -> UnitName.of(name))
        .hasMessageContaining("'" + name + "' is not the name of a unit");
  }

  @Test
  void aNameHasAtMost255Characters() {
    assertThat(UnitName.of("x".repeat(247) + ".service").value()).hasSize(255);
    assertThatThrownBy(() -> UnitName.of("x".repeat(248) + ".service"))
        .hasMessageContaining("at most 255");
  }

  @Test
  void readableNamesSayWhatTheyStandFor() {
    assertThat(
            UnitName.readable("ctr", List.of("default", "web-1", "nginx"), ID, "service").value())
        .isEqualTo("ctr-default-web-1-nginx-0123456789ab.service");
    assertThat(UnitName.readable("pod", List.of("", "web"), ID, "service").value())
        .isEqualTo("pod-web-0123456789ab.service");
  }

  @Test
  void charactersAUnitCannotHaveAreReplacedInReadableNames() {
    assertThat(
            UnitName.readable("ctr", List.of("a b/c", "é@\\", "\uD83D\uDE00"), ID, "service")
                .value())
        .isEqualTo("ctr-a_b_c-___-_-0123456789ab.service");
  }

  @Test
  void longReadableNamesKeepKindAndIdAndAsMuchOfEachPartAsFits() {
    UnitName unit =
        UnitName.readable("ctr", List.of("n".repeat(253), "p".repeat(253), "short"), ID, "service");
    assertThat(unit.value())
        .hasSizeBetween(250, 255)
        .startsWith("ctr-nnnn")
        .contains("-pppp")
        .endsWith("-short-0123456789ab.service");
  }

  @Test
  void namesThatDifferOnlyInWhatWasReplacedDifferByTheirId() {
    assertThat(UnitName.readable("ctr", List.of("a/b"), "1", "service"))
        .isNotEqualTo(UnitName.readable("ctr", List.of("a_b"), "2", "service"));
  }

  @Test
  void anIdThatIsNoneIsRefused() {
    assertThatThrownBy(() -> UnitName.readable("ctr", List.of("a"), "x-y", "service"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"ctr-default-web_1.service", "0a.service", "a\\x2db.service", "x@y:z.slice"})
  void busLabelsLeadBackToTheName(String name) {
    UnitName unit = UnitName.of(name);
    assertThat(unit.busLabel()).matches("[A-Za-z0-9_]+");
    assertThat(UnitName.fromBusLabel(unit.busLabel())).isEqualTo(unit);
  }

  @Test
  void busLabelsAreThoseOfSystemd() {
    assertThat(UnitName.of("ctr-a1.service").busLabel()).isEqualTo("ctr_2da1_2eservice");
    assertThat(UnitName.of("1a.service").busLabel()).isEqualTo("_31a_2eservice");
  }

  @Test
  void aSlicesNameSaysInWhichSlicesItsGroupSits() {
    assertThat(UnitName.of("a-b-c.slice").sliceGroup()).isEqualTo("a.slice/a-b.slice/a-b-c.slice");
    assertThat(UnitName.of("a.slice").sliceGroup()).isEqualTo("a.slice");
    assertThat(UnitName.of("-.slice").sliceGroup()).isEmpty();
    assertThatThrownBy(() -> UnitName.of("a.service").sliceGroup())
        .isInstanceOf(IllegalStateException.class);
  }
}
