package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CdiDevicesTest {
  @TempDir private Path folder;
  private Path etc;
  private Path run;
  private CdiDevices devices;

  @BeforeEach
  void twoDirectories() throws IOException {
    etc = Files.createDirectory(folder.resolve("etc"));
    run = Files.createDirectory(folder.resolve("run"));
    devices = new CdiDevices(List.of(etc, run, folder.resolve("not-there")));
  }

  private void json(Path directory, String name, String device, String edits) throws IOException {
    Files.writeString(
        directory.resolve(name),
        """
        {"cdiVersion": "0.6.0", "kind": "vendor.com/gpu",
         "containerEdits": {"env": ["ALL=1"]},
         "devices": [{"name": "%s", "containerEdits": %s}]}
        """
            .formatted(device, edits));
  }

  @Test
  void allThatADeviceChangesIsRead() throws IOException {
    json(
        etc,
        "gpu.json",
        "0",
        """
        {"env": ["GPU=0"],
         "deviceNodes": [
           {"path": "/dev/gpu0", "hostPath": "/dev/null", "permissions": "rw"},
           {"path": "/dev/gpu1", "type": "c", "major": 195, "minor": 1, "fileMode": 432, "uid": 7, "gid": 8}],
         "mounts": [{"hostPath": "%s", "containerPath": "/lib/gpu", "options": ["ro", "nosuid", "bind"]}],
         "hooks": [{"hookName": "createContainer", "path": "/bin/hook", "args": ["hook", "x"], "env": ["A=b"], "timeout": 5}],
         "additionalGids": [44, 0]}
        """
            .formatted(etc));

    CdiEdits edits = devices.edits(List.of("vendor.com/gpu=0"));

    assertThat(edits.environment()).containsExactly("ALL=1", "GPU=0");
    assertThat(edits.devices().getFirst().source()).isEqualTo(Path.of("/dev/null"));
    assertThat(edits.devices().getFirst().permissions()).isEqualTo("rw");
    assertThat(edits.devices().get(1).node())
        .hasValue(
            new ContainerPlan.Node(
                Optional.of("c"),
                Optional.of(195L),
                Optional.of(1L),
                Optional.of(0660),
                Optional.of(7),
                Optional.of(8)));
    assertThat(edits.mounts())
        .containsExactly(
            new ContainerRecord.MountRecord(
                etc.toString(),
                "/lib/gpu",
                true,
                false,
                false,
                "PRIVATE",
                false,
                Optional.empty(),
                List.of("nosuid")));
    assertThat(edits.hooks())
        .containsExactly(
            new ContainerPlan.Hook(
                "createContainer",
                Path.of("/bin/hook"),
                List.of("hook", "x"),
                List.of("A=b"),
                Optional.of(Duration.ofSeconds(5))));
    assertThat(edits.groups()).containsExactly(44L);
  }

  @Test
  void yamlIsReadAsWell() throws IOException {
    Files.writeString(
        etc.resolve("net.yaml"),
        """
        cdiVersion: "0.5.0"
        kind: vendor.com/net
        devices:
          - name: eth
            containerEdits:
              env:
                - NET=eth
        """);

    assertThat(devices.edits(List.of("vendor.com/net=eth")).environment())
        .containsExactly("NET=eth");
  }

  @Test
  void theLaterDirectoryWins() throws IOException {
    json(etc, "gpu.json", "0", "{\"env\": [\"FROM=etc\"]}");
    json(run, "gpu.json", "0", "{\"env\": [\"FROM=run\"]}");

    assertThat(devices.edits(List.of("vendor.com/gpu=0")).environment())
        .containsExactly("ALL=1", "FROM=run");
  }

  @Test
  void twoOfOneDirectoryAreAConflict() throws IOException {
    json(etc, "a.json", "0", "{}");
    json(etc, "b.json", "0", "{}");

    assertThatThrownBy(() -> devices.edits(List.of("vendor.com/gpu=0")))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("described twice");
  }

  @Test
  void whatGoesWithAnyDeviceOfAFileGoesWithAllOnce() throws IOException {
    Files.writeString(
        etc.resolve("gpu.json"),
        """
        {"cdiVersion": "0.6.0", "kind": "vendor.com/gpu", "containerEdits": {"env": ["ALL=1"]},
         "devices": [{"name": "0", "containerEdits": {"env": ["A=0"]}},
                     {"name": "1", "containerEdits": {"env": ["B=1"]}}]}
        """);

    assertThat(devices.edits(List.of("vendor.com/gpu=1", "vendor.com/gpu=0")).environment())
        .containsExactly("ALL=1", "B=1", "A=0");
  }

  @ParameterizedTest
  @ValueSource(strings = {"vendor.com/gpu=9", "gpu", "vendor.com/gpu", ""})
  void aDeviceThatNobodyDescribesIsNamed(String name) throws IOException {
    json(etc, "gpu.json", "0", "{}");
    Files.writeString(etc.resolve("broken.json"), "{");

    assertThatThrownBy(() -> devices.edits(List.of(name)))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("'%s'".formatted(name))
        .hasMessageContaining("broken.json");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"mounts\": [{\"hostPath\": \"/etc\", \"containerPath\": \"/x\", \"type\": \"tmpfs\"}]}",
        "{\"mounts\": [{\"hostPath\": \"/no/such/path\", \"containerPath\": \"/x\"}]}",
        "{\"hooks\": [{\"hookName\": \"sometimes\", \"path\": \"/bin/true\"}]}",
        "{\"deviceNodes\": [{\"path\": \"dev\"}]}",
        "{\"intelRdt\": {}}"
      })
  void whatCannotBeHadIsRefused(String edits) throws IOException {
    json(etc, "gpu.json", "0", edits);

    assertThatThrownBy(() -> devices.edits(List.of("vendor.com/gpu=0")))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("gpu.json");
  }

  @Test
  void theFieldAndTheAnnotationsAreBothAsked() {
    assertThat(
            CdiDevices.asked(
                List.of("vendor.com/gpu=0"),
                Map.of(
                    "cdi.k8s.io/plugin", "vendor.com/gpu=1,vendor.com/gpu=0",
                    "other", "vendor.com/gpu=2")))
        .containsExactly("vendor.com/gpu=0", "vendor.com/gpu=1");
  }

  @Test
  void aProcessGetsTheVariablesAndGroups() {
    CdiEdits edits =
        new CdiEdits(List.of("A=2"), List.of(), List.of(), List.of(), List.of(44L, 1L));

    ExecPlan process =
        edits.on(
            new ExecPlan(
                List.of("x"),
                List.of("A=1", "B=1"),
                "/",
                new ExecPlan.User(0, 0, List.of(1L)),
                false,
                false));

    assertThat(process.environment()).containsExactly("A=2", "B=1");
    assertThat(process.user().additionalGroups()).containsExactly(1L, 44L);
  }
}
