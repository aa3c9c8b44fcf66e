package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong is said, with its reason, and nothing of it is left behind. */
class BadInputIT extends ConformanceSuite {
  private static final String NETWORK_OF =
      """
      {"cniVersion": "1.0.0", "name": "conformance", "plugins": [
        {"type": "bridge", "bridge": "cni-conformance", "isGateway": true,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.222.0.0/16"}]]}},
        {"type": "%s"}
      ]}
      """;

  BadInputIT(NodeUnderTest node) {
    super(node);
  }

  private StageletRuntime server() {
    return (StageletRuntime) node().runtime();
  }

  @Test
  void anUnknownImageIsNotFound() {
    String image = images().busybox().byTag().replace("busybox", "no-such-image");

    Status refusal = refusal(() -> cri().pullImage(image));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(refusal.getDescription()).contains("no-such-image");
    assertThat(cri().imageStatus(image, false).hasImage()).isFalse();
  }

  @Test
  void aContainerOfAnImageThatIsNotHereIsRefused() {
    TestPod pod = pods().run();
    Leftovers before = node().runtime().leftovers();
    ContainerBuilder container =
        pod.container()
            .with(config -> config.getImageBuilder().setImage("registry.invalid/absent:1"));

    Status refusal = refusal(container::create);

    assertThat(refusal.getDescription()).contains("registry.invalid/absent:1");
    assertThat(pod.containers()).isEmpty();
    nothingMoreThan(before);
  }

  @Test
  void aRegistryThatIsDownIsNamedWithTheReason() {
    String registry = "127.0.0.1:" + TestRegistry.freePort();

    Status refusal = refusal(() -> cri().pullImage(registry + "/busybox:1"));

    assertThat(refusal.getDescription()).contains(registry).containsIgnoringCase("refused");
    if (node().runtime() instanceof StageletRuntime) {
      assertThat(refusal.getDescription()).contains("RegistryUnavailable");
    }
  }

  @Test
  void aBrokenNetworkConfigurationIsNamed() throws IOException {
    withNetwork("{\"cniVersion\": \"1.0.0\", \"name\": ", "10-conformance.conflist");
  }

  @Test
  void aNetworkPluginThatIsMissingIsNamed() throws IOException {
    withNetwork(NETWORK_OF.formatted("no-such-plugin"), "no-such-plugin");
  }

  @Test
  void aNetworkPluginThatFailsIsHeard() throws IOException {
    plugin(
        "failing",
        """
        #!/bin/sh
        [ "$CNI_COMMAND" = ADD ] || exit 0
        echo '{"cniVersion": "1.0.0", "code": 11, "msg": "the pool is empty", "details": "try later"}'
        exit 1
        """);

    withNetwork(
        NETWORK_OF.formatted("failing"), "failing", "ADD", "the pool is empty", "try later");
  }

  @Test
  void aNetworkPluginThatPrintsRubbishIsHeard() throws IOException {
    plugin("babbling", "#!/bin/sh\necho 'dog ate homework'\n");

    withNetwork(NETWORK_OF.formatted("babbling"), "babbling", "dog ate homework");
  }

  /** Runs a pod in a network that cannot be had, and then one in the usual network. */
  private void withNetwork(String configuration, String... said) throws IOException {
    stageletOnly("the network configuration of other runtimes is not the suite's");
    Leftovers before = node().runtime().leftovers();
    Path file = server().networks().resolve("10-conformance.conflist");
    String usual = Files.readString(file);
    PodSandboxConfig config = pods().config(change -> change);
    try {
      Files.writeString(file, configuration);

      Status refusal = refusal(() -> cri().runPodSandbox(config, node().handler()));

      assertThat(refusal.getDescription()).contains(said);
      assertThat(pods().known()).isEmpty();
      nothingMoreThan(before);
    } finally {
      Files.writeString(file, usual);
    }
    assertThat(pods().run(config).ip()).isNotEmpty();
  }

  @Test
  void aRuntimeThatIsNotInstalledIsNamed() {
    stageletOnly("it is the suite that configures Stagelet's handlers");
    Leftovers before = node().runtime().leftovers();
    PodSandboxConfig config = pods().config(change -> change);

    Status refusal = refusal(() -> cri().runPodSandbox(config, StageletRuntime.WITHOUT_RUNTIME));

    assertThat(refusal.getDescription())
        .contains(StageletRuntime.WITHOUT_RUNTIME.name(), "/nonexistent/runtime");
    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
  }

  @Test
  void aCommandThatDoesNotExistIsAStartErrorInTheRuntimesWords() {
    TestPod pod = pods().run();
    Leftovers before = node().runtime().leftovers();
    TestContainer container = pod.container().command("/no/such/command").create();

    Status refusal = refusal(container::start);

    assertThat(refusal.getDescription()).contains("/no/such/command");
    ContainerStatus status = container.status();
    assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(status.getExitCode()).isEqualTo(128);
    assertThat(status.getReason()).isEqualTo("StartError");
    assertThat(status.getMessage())
        .contains("/no/such/command")
        .containsIgnoringCase("no such file or directory");
    container.remove();
    nothingMoreThan(before);
  }

  @Test
  void everyMistakeOfAConfigurationIsNamed(@TempDir Path folder) throws IOException {
    stageletOnly("it is Stagelet's configuration");
    Path file =
        Files.writeString(
            folder.resolve("stagelet.toml"),
            """
            socket = "not/absolute"
            colour = "green"

            [handlers.crun]
            stage1 = "oci"
            annotation = "perhaps"
            """);

    Command.Outcome served =
        Command.of(StageletRuntime.commandLine(file)).withDeadline(Duration.ofSeconds(60)).run();

    assertThat(served.exitCode()).isEqualTo(1);
    assertThat(served.complaint())
        .contains("3 mistakes", file.toString())
        .contains("socket", "not/absolute")
        .contains("colour")
        .contains("handlers.crun.annotation", "perhaps");
  }

  private void plugin(String name, String script) throws IOException {
    stageletOnly("the network plugins of other runtimes are not the suite's");
    Path file = Files.writeString(server().plugins().resolve(name), script);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
