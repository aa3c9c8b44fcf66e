package io.stagelet.stage1.oci;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class OciSpecTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static SandboxPlan pod() {
    return new SandboxPlan(
        new SandboxId("a".repeat(64)),
        "default",
        "web",
        "pod.slice",
        Path.of("/run/pod"),
        Optional.of("web"),
        Optional.of(Path.of("/run/pod/ns/net")),
        false,
        false,
        Map.of(),
        1,
        Optional.empty(),
        Optional.empty());
  }

  private static ContainerPlan container(
      List<ContainerPlan.Mount> mounts,
      List<ContainerPlan.Device> devices,
      List<ContainerPlan.Hook> hooks) {
    return new ContainerPlan(
        new ContainerId("b".repeat(64)),
        "main",
        pod(),
        Path.of("/run/ctr"),
        Path.of("/run/ctr/rootfs"),
        new ExecPlan(
            List.of("/bin/true"),
            List.of(),
            "/not/there",
            new ExecPlan.User(0, 0, List.of()),
            false,
            false),
        mounts,
        devices,
        new ContainerPlan.Security(
            false,
            false,
            List.of("CAP_KILL", "CAP_NET_BIND_SERVICE"),
            List.of("CAP_NET_BIND_SERVICE"),
            List.of(),
            List.of(),
            Optional.empty(),
            Optional.of("system_u:system_r:container_t:s0:c1,c2"),
            Optional.of("system_u:object_r:container_file_t:s0:c1,c2"),
            Optional.empty()),
        ContainerPlan.Resources.NONE,
        Path.of("/run/ctr/stdout"),
        Path.of("/run/ctr/stderr"),
        Optional.empty(),
        15,
        Duration.ofSeconds(30),
        new ContainerPlan.Pids(ContainerPlan.Pids.Sharing.OWN, Optional.empty()),
        hooks);
  }

  private static JsonNode config(ContainerPlan container) throws IOException {
    return JSON.readTree(new OciSpec(JSON).config(container, "/pod.slice/ctr.service"));
  }

  private static JsonNode mountAt(JsonNode config, String destination) {
    for (JsonNode mount : config.path("mounts")) {
      if (mount.path("destination").asText().equals(destination)) {
        return mount;
      }
    }
    throw new AssertionError("nothing is mounted at " + destination);
  }

  @Test
  void labelsAreTheProcessesAndTheMounts() throws IOException {
    JsonNode config = config(container(List.of(), List.of(), List.of()));

    assertThat(config.at("/process/selinuxLabel").asText())
        .isEqualTo("system_u:system_r:container_t:s0:c1,c2");
    assertThat(config.at("/linux/mountLabel").asText())
        .isEqualTo("system_u:object_r:container_file_t:s0:c1,c2");
    assertThat(config.has("hooks")).isFalse();
  }

  @Test
  void anAmbientCapabilityIsInEverySet() throws IOException {
    JsonNode capabilities =
        config(container(List.of(), List.of(), List.of())).at("/process/capabilities");

    for (String set : List.of("bounding", "effective", "permitted", "inheritable", "ambient")) {
      assertThat(capabilities.path(set).toString()).as(set).contains("CAP_NET_BIND_SERVICE");
    }
    assertThat(capabilities.path("ambient").toString()).doesNotContain("CAP_KILL");
  }

  @Test
  void furtherOptionsOfAMountFollowItsOwn() throws IOException {
    JsonNode config =
        config(
            container(
                List.of(
                    new ContainerPlan.Mount(
                        Path.of("/data"),
                        "/plain",
                        false,
                        false,
                        ContainerPlan.Propagation.PRIVATE,
                        false,
                        List.of("nosuid", "noexec")),
                    new ContainerPlan.Mount(
                        Path.of("/data"),
                        "/recursive",
                        true,
                        true,
                        ContainerPlan.Propagation.PRIVATE,
                        false,
                        List.of())),
                List.of(),
                List.of()));

    assertThat(mountAt(config, "/plain").path("options").toString())
        .isEqualTo("[\"rbind\",\"rprivate\",\"rw\",\"nosuid\",\"noexec\"]");
    assertThat(mountAt(config, "/recursive").path("options").toString())
        .isEqualTo("[\"rbind\",\"rprivate\",\"rro\"]");
  }

  @Test
  void aDeviceIsAsTheHostHasItButForWhatIsSaid() throws IOException {
    JsonNode config =
        config(
            container(
                List.of(),
                List.of(
                    new ContainerPlan.Device(Path.of("/dev/null"), "/dev/same", "rwm"),
                    new ContainerPlan.Device(
                        Path.of("/no/such/node"),
                        "/dev/gpu",
                        "rw",
                        Optional.of(
                            new ContainerPlan.Node(
                                Optional.of("c"),
                                Optional.of(195L),
                                Optional.of(3L),
                                Optional.of(0640),
                                Optional.empty(),
                                Optional.of(44))))),
                List.of()));

    JsonNode same = config.at("/linux/devices/0");
    assertThat(same.path("major").asInt()).isEqualTo(1);
    assertThat(same.path("minor").asInt()).isEqualTo(3);
    JsonNode gpu = config.at("/linux/devices/1");
    assertThat(gpu.path("major").asInt()).isEqualTo(195);
    assertThat(gpu.path("fileMode").asInt()).isEqualTo(0640);
    assertThat(gpu.path("uid").asInt()).isZero();
    assertThat(gpu.path("gid").asInt()).isEqualTo(44);
  }

  @Test
  void hooksAreByTheirPoint() throws IOException {
    JsonNode config =
        config(
            container(
                List.of(),
                List.of(),
                List.of(
                    new ContainerPlan.Hook(
                        "createContainer",
                        Path.of("/bin/hook"),
                        List.of("hook", "x"),
                        List.of("A=b"),
                        Optional.of(Duration.ofSeconds(5))))));

    assertThat(config.path("hooks"))
        .isEqualTo(
            JSON.readTree(
                """
                {"createContainer": [{"path": "/bin/hook", "args": ["hook", "x"], "env": ["A=b"], "timeout": 5}]}\
                """));
  }
}
