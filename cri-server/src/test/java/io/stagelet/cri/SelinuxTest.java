package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.SelinuxLabels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SelinuxTest {
  @TempDir private Path folder;
  private Path kernel;
  private Path configuration;
  private Selinux selinux;

  @BeforeEach
  void aPolicyForContainers() throws IOException {
    kernel = Files.createDirectory(folder.resolve("kernel"));
    configuration = Files.createDirectory(folder.resolve("etc"));
    Files.writeString(kernel.resolve("enforce"), "1");
    Files.writeString(kernel.resolve("context"), "");
    Files.writeString(configuration.resolve("config"), "SELINUX=enforcing\nSELINUXTYPE=targeted\n");
    Path contexts = Files.createDirectories(configuration.resolve("targeted/contexts"));
    Files.writeString(
        contexts.resolve("lxc_contexts"),
        """
        process = "system_u:system_r:container_t:s0"
        content = "system_u:object_r:virt_var_lib_t:s0"
        file = "system_u:object_r:container_file_t:s0"
        """);
    selinux = new Selinux(kernel, configuration, new Random(1));
  }

  private static SandboxPlan pod(Optional<SelinuxLabels> labels) {
    return new SandboxPlan(
        new SandboxId("0".repeat(64)),
        "default",
        "web",
        "pod.slice",
        Path.of("/run/x"),
        Optional.empty(),
        Optional.empty(),
        false,
        false,
        Map.of(),
        1,
        Optional.empty(),
        labels);
  }

  @Test
  void aKernelThatWasGivenNoPolicyHasNoLabels() throws IOException {
    Files.delete(configuration.resolve("config"));
    assertThat(selinux.ofSandbox(SelinuxOptions.NONE, false, Set.of())).isEmpty();
  }

  @Test
  void eachPodHasALevelOfItsOwn() {
    Set<String> levels = new HashSet<>();
    for (int i = 0; i < 200; i++) {
      SelinuxLabels labels = selinux.ofSandbox(SelinuxOptions.NONE, false, levels).orElseThrow();
      String level = Selinux.level(labels);

      assertThat(level).matches("s0:c[0-9]+,c[0-9]+");
      assertThat(labels.process()).hasValue("system_u:system_r:container_t:" + level);
      assertThat(labels.files()).isEqualTo("system_u:object_r:container_file_t:" + level);
      assertThat(levels.add(level)).isTrue();
    }
  }

  @Test
  void whatIsAskedForTakesThePlaceOfItsPart() {
    SelinuxLabels labels =
        selinux
            .ofSandbox(new SelinuxOptions("", "", "spc_t", "s0:c1,c2"), false, Set.of())
            .orElseThrow();

    assertThat(labels.process()).hasValue("system_u:system_r:spc_t:s0:c1,c2");
    assertThat(labels.files()).isEqualTo("system_u:object_r:container_file_t:s0:c1,c2");
  }

  @Test
  void aContainerIsAsItsPodIsButForWhatItAsks() {
    Optional<SelinuxLabels> pods = selinux.ofSandbox(SelinuxOptions.NONE, false, Set.of());
    String level = Selinux.level(pods.orElseThrow());

    assertThat(selinux.ofContainer(pod(pods), SelinuxOptions.NONE, false)).isEqualTo(pods);
    assertThat(
            selinux
                .ofContainer(pod(pods), new SelinuxOptions("", "", "other_t", ""), false)
                .orElseThrow()
                .process())
        .hasValue("system_u:system_r:other_t:" + level);
  }

  @Test
  void aPrivilegedOneIsWhatThePolicyMakesOfIt() {
    Optional<SelinuxLabels> pods = selinux.ofSandbox(SelinuxOptions.NONE, true, Set.of());

    assertThat(pods.orElseThrow().process()).isEmpty();
    assertThat(selinux.ofContainer(pod(pods), SelinuxOptions.NONE, true).orElseThrow().process())
        .isEmpty();
    assertThat(selinux.ofContainer(pod(pods), SelinuxOptions.NONE, false).orElseThrow().process())
        .as("the pod's other containers are confined")
        .hasValue("system_u:system_r:container_t:" + Selinux.level(pods.orElseThrow()));
  }

  @Test
  void whereSelinuxIsOffThereAreNoLabels() throws IOException {
    Files.delete(kernel.resolve("enforce"));

    assertThat(selinux.ofSandbox(new SelinuxOptions("", "", "x_t", ""), false, Set.of())).isEmpty();
    assertThat(selinux.ofContainer(pod(Optional.empty()), SelinuxOptions.NONE, false)).isEmpty();
  }

  @Test
  void aLabelThatThePolicyDoesNotHaveIsRefused() throws IOException {
    Files.delete(kernel.resolve("context"));

    assertThatThrownBy(
            () -> selinux.ofSandbox(new SelinuxOptions("", "", "x_t", ""), false, Set.of()))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("x_t");
  }

  @Test
  void aPolicyWithoutContainersIsSaid() throws IOException {
    Files.delete(configuration.resolve("targeted/contexts/lxc_contexts"));

    assertThatThrownBy(() -> selinux.ofSandbox(SelinuxOptions.NONE, false, Set.of()))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("lxc_contexts");
  }

  @ParameterizedTest
  @ValueSource(strings = {"/", "/etc", "/usr", "/var"})
  void theSystemsOwnDirectoriesAreNotRelabelled(String directory) {
    assertThatThrownBy(() -> Selinux.relabel(Path.of(directory), "a:b:c:s0"))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(directory);
  }
}
