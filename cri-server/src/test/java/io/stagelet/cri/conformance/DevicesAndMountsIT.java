package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.CDIDevice;
import io.stagelet.cri.v1.Mount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a container gets beyond the usual: CDI devices, mount options, capabilities, a folder. */
@AlsoOnNspawn
class DevicesAndMountsIT extends ConformanceSuite {
  private static final Path CDI = Path.of("/etc/cdi");

  @TempDir private Path host;

  DevicesAndMountsIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void twoDevices() throws IOException {
    stageletOnly("CDI must be switched on in the configuration of others");
    Files.createDirectories(CDI);
    Files.writeString(host.resolve("library"), "from the vendor");
    Files.writeString(
        CDI.resolve("conformance.json"),
        """
        {"cdiVersion": "0.6.0", "kind": "conformance.test/device",
         "containerEdits": {"env": ["ANY=yes"]},
         "devices": [{"name": "one", "containerEdits": {
           "env": ["ONE=1"],
           "deviceNodes": [{"path": "/dev/conformance", "hostPath": "/dev/zero", "permissions": "rw"}],
           "mounts": [{"hostPath": "%s", "containerPath": "/vendor", "options": ["ro", "nosuid"]}],
           "hooks": [{"hookName": "createContainer", "path": "/bin/touch", "args": ["touch", "%s/hooked"]}],
           "additionalGids": [4711]}}]}
        """
            .formatted(host, host));
    Files.writeString(
        CDI.resolve("conformance.yaml"),
        """
        cdiVersion: "0.6.0"
        kind: conformance.test/other
        devices:
          - name: two
            containerEdits:
              env: ["TWO=2"]
        """);
  }

  @AfterEach
  void noDevices() throws IOException {
    Files.deleteIfExists(CDI.resolve("conformance.json"));
    Files.deleteIfExists(CDI.resolve("conformance.yaml"));
  }

  @Test
  void cdiDevicesAreGivenToAContainer() {
    notOnNspawn("a hook is told of an OCI container, and there is none");
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .with(config ->
                config
                    .addCDIDevices(CDIDevice.newBuilder().setName("conformance.test/device=one"))
                    .putAnnotations("cdi.k8s.io/plugin", "conformance.test/other=two"))
            .start();

    assertThat(container.execText("sh", "-c", "echo $ANY $ONE $TWO")).isEqualTo("yes 1 2");
    assertThat(container.execText("sh", "-c", "head -c 3 /dev/conformance | wc -c")).isEqualTo("3");
    assertThat(container.execText("cat", "/vendor/library")).isEqualTo("from the vendor");
    assertThat(container.exec("touch", "/vendor/written").getExitCode()).isNotZero();
    assertThat(container.execText("id", "-G").split(" ")).contains("4711");
    assertThat(host.resolve("hooked")).exists();
  }

  @Test
  void aCdiDeviceThatNobodyDescribesIsNamed() {
    ContainerBuilder builder =
        sharedPod()
            .container()
            .idle()
            .with(config ->
                config.addCDIDevices(
                    CDIDevice.newBuilder().setName("conformance.test/device=none")));

    Status refusal = refusal(builder::create);

    assertThat(refusal.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(refusal.getDescription()).contains("conformance.test/device=none", "/etc/cdi");
  }

  @Test
  void mountOptionsAreTheMounts() {
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .with(config ->
                config.addMounts(
                    Mount.newBuilder()
                        .setHostPath(host.toString())
                        .setContainerPath("/data")
                        .addAllMountOptions(List.of("noexec", "nosuid"))))
            .start();

    assertThat(container.execText("sh", "-c", "grep ' /data ' /proc/self/mountinfo"))
        .contains("nosuid", "noexec");
    assertThat(container.status().getMounts(0).getMountOptionsList())
        .containsExactly("noexec", "nosuid");
  }

  @Test
  void aMountOptionThatTheRuntimeDoesNotKnowIsRefused() {
    ContainerBuilder builder =
        sharedPod()
            .container()
            .idle()
            .with(config ->
                config.addMounts(
                    Mount.newBuilder()
                        .setHostPath(host.toString())
                        .setContainerPath("/data")
                        .addMountOptions("sideways")));

    assertThat(refusal(builder::create).getDescription()).contains("mount_options", "sideways");
  }

  @Test
  void anAmbientCapabilityOutlivesTheChangeOfUser() {
    ContainerBuilder builder = sharedPod().container().idle().user(1234).group(1234);
    builder.securityContext().getCapabilitiesBuilder().addAddAmbientCapabilities("CHOWN");

    TestContainer container = builder.start();

    String ambient = container.execText("sh", "-c", "grep CapAmb /proc/1/status");
    assertThat(Long.parseLong(ambient.replaceAll("CapAmb:\\s*", ""), 16)).isEqualTo(1);
  }

  @Test
  void aWorkingFolderThatTheImageLacksIsMade() {
    TestContainer container =
        sharedPod().container().idle().workingFolder("/not/in/the/image").start();

    assertThat(container.execText("pwd")).isEqualTo("/not/in/the/image");
  }
}
