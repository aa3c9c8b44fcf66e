package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.stagelet.cri.v1.IDMapping;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.RuntimeHandler;
import io.stagelet.cri.v1.UserNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whose users, processes and host name a container shares. */
@AlsoOnNspawn
class PodNamespacesIT extends ConformanceSuite {
  private static final int FIRST_ID = 1_000_000;
  private static final int IDS = 65_536;

  @TempDir private Path host;

  PodNamespacesIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void aUserNamespaceIsGivenOrRefusedAsTheHandlerSays() throws IOException {
    if (!userNamespaces()) {
      Status refusal = refusal(() -> pods().run(withUsers(mapping(0))));
      assertThat(refusal.getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
      assertThat(refusal.getDescription()).contains("user namespace");
      return;
    }
    Files.setPosixFilePermissions(
        host, java.nio.file.attribute.PosixFilePermissions.fromString("rwxrwxrwx"));
    TestPod pod = pods().run(withUsers(mapping(0)));
    TestContainer container =
        pod.container(images().layered())
            .idle()
            .with(config -> {
              config.addMountsBuilder().setHostPath(host.toString()).setContainerPath("/volume");
              config.getMountsBuilder(0).addUidMappings(mapping(0)).addGidMappings(mapping(0));
              config
                  .getLinuxBuilder()
                  .getSecurityContextBuilder()
                  .getNamespaceOptionsBuilder()
                  .setUsernsOptions(users(mapping(0)));
            })
            .start();

    assertThat(container.execText("cat", "/proc/self/uid_map").strip().split(" +"))
        .containsExactly("0", String.valueOf(FIRST_ID), String.valueOf(IDS));
    assertThat(container.execText("stat", "-c", "%u:%g", "/data/owned")).isEqualTo("1234:2345");
    container.execText(
        "sh", "-c", "echo new > /data/new; echo mine > /volume/file; hostname x || true");
    assertThat(container.execText("stat", "-c", "%u", "/data/new")).isEqualTo("0");
    assertThat(Files.getAttribute(host.resolve("file"), "unix:uid"))
        .as("on the disk, an idmapped mount keeps the container's own ids")
        .isEqualTo(0);
    assertThat(pod.status().getLinux().getNamespaces().getOptions().getUsernsOptions())
        .isEqualTo(users(mapping(0)));
  }

  @Test
  void aTerminalAndALogAreThereForUsersOfItsOwn() {
    assumeTrue(userNamespaces(), "the handler has no user namespaces");
    TestPod pod = pods().run(withUsers(mapping(0)));

    TestContainer container =
        pod.container()
            .user(1000)
            .shell("readlink /proc/self/fd/0; id -u; exec sleep 1000000")
            .with(config -> {
              config.setTty(true);
              config
                  .getLinuxBuilder()
                  .getSecurityContextBuilder()
                  .getNamespaceOptionsBuilder()
                  .setUsernsOptions(users(mapping(0)));
            })
            .start();

    assertThat(container.awaitOutput(2).getFirst()).startsWith("/dev/");
    assertThat(container.awaitOutput(2).get(1).strip()).isEqualTo("1000");
    assertThat(container.execText("id", "-u")).isEqualTo("1000");
    assertThat(container.execText("cat", "/proc/sys/kernel/hostname"))
        .isEqualTo(pod.config().getHostname());
  }

  @Test
  void theNetworkOfAPodWithUsersOfItsOwnBelongsToThem() throws IOException {
    assumeTrue(userNamespaces(), "the handler has no user namespaces");
    TestPod pod = pods().run(withUsers(mapping(0)));

    TestContainer container =
        pod.container()
            .with(PodNamespacesIT::mapped)
            .with(config ->
                config
                    .getLinuxBuilder()
                    .getSecurityContextBuilder()
                    .getCapabilitiesBuilder()
                    .addAddCapabilities("NET_ADMIN"))
            .idle()
            .start();

    container.execText("ip", "link", "set", "lo", "down");
    if (node().handler().equals(Handler.NSPAWN)
        || !Files.getFileStore(Path.of("/sys")).isReadOnly()) {
      // where the node's own sysfs is read-only, a container's is the node's: the kernel allows no
      // other in a user namespace
      assertThat(container.execText("ls", "/sys/class/net").lines())
          .containsExactlyInAnyOrder("eth0", "lo");
    }
  }

  @Test
  void nobodyOnTheHostReadsWhatAContainerIsMadeFrom() throws IOException {
    stageletOnly("where it keeps that");
    TestContainer container = sharedPod().container().environment("SECRET", "x").idle().start();
    Path directory = ((StageletRuntime) node().runtime()).directoryOf(container.id());

    assertThat(permissions(directory)).isEqualTo("rwx--x--x");
    assertThat(permissions(directory.resolveSibling("."))).isEqualTo("rwx--x--x");
    if (Files.exists(directory.resolve("config.json"))) {
      assertThat(permissions(directory.resolve("config.json"))).isEqualTo("rw-------");
    }
  }

  private static String permissions(Path file) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
  }

  @Test
  void aMappingWithoutTheNamespacesRootIsRefused() {
    assertThat(refusal(() -> pods().run(withUsers(mapping(5)))).getCode())
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  @Test
  void aContainerSeesTheProcessesOfTheOneItTargets() {
    notOnNspawn("systemd joins a service to no PID namespace that exists");
    String seconds = NodeProcesses.markedSleep();
    TestContainer target = sharedPod().container().shell("exec sleep " + seconds).start();
    ContainerBuilder debug = sharedPod().container().idle();
    debug
        .securityContext()
        .getNamespaceOptionsBuilder()
        .setPid(NamespaceMode.TARGET)
        .setTargetId(target.id());

    TestContainer container = debug.start();

    assertThat(container.execText("ps")).contains("sleep " + seconds);
  }

  @Test
  void aTargetThatDoesNotRunIsRefused() {
    TestContainer ended = sharedPod().container().command("/bin/true").runToItsEnd();
    ContainerBuilder debug = sharedPod().container().idle();
    debug
        .securityContext()
        .getNamespaceOptionsBuilder()
        .setPid(NamespaceMode.TARGET)
        .setTargetId(ended.id());

    assertThat(refusal(debug::create).getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  @Test
  void containersOfOneProcessTreeSeeEachOther() {
    TestPod pod = pods().run(Pods.withOneProcessTree());
    String seconds = NodeProcesses.markedSleep();
    pod.container().shell("exec sleep " + seconds).start();

    assertThat(pod.idleContainer().execText("ps")).contains("sleep " + seconds);
  }

  /** Its PID namespace must be of its user namespace: else nobody in it can mount /proc. */
  @Test
  void containersOfOneProcessTreeMayHaveUsersOfTheirOwn() {
    if (!userNamespaces()) {
      return; // refused, as another test has it
    }
    TestPod pod =
        pods().run(config -> Pods.withOneProcessTree().apply(withUsers(mapping(0)).apply(config)));
    String seconds = NodeProcesses.markedSleep();
    pod.container().with(PodNamespacesIT::mapped).shell("exec sleep " + seconds).start();

    TestContainer other = pod.container().with(PodNamespacesIT::mapped).idle().start();
    assertThat(other.execText("ps")).contains("sleep " + seconds);
    assertThat(other.execText("cat", "/proc/1/comm"))
        .isEqualTo(node().handler().equals(Handler.NSPAWN) ? "systemd" : "catatonit");
  }

  private static void mapped(io.stagelet.cri.v1.ContainerConfig.Builder config) {
    config
        .getLinuxBuilder()
        .getSecurityContextBuilder()
        .getNamespaceOptionsBuilder()
        .setUsernsOptions(users(mapping(0)));
  }

  private boolean userNamespaces() {
    return cri().status(false).getRuntimeHandlersList().stream()
        .filter(handler -> handler.getName().equals(node().handler().name()))
        .map(RuntimeHandler::getFeatures)
        .anyMatch(features -> features.getUserNamespaces());
  }

  private static UnaryOperator<io.stagelet.cri.v1.PodSandboxConfig.Builder> withUsers(
      IDMapping mapping) {
    return config -> {
      config
          .getLinuxBuilder()
          .getSecurityContextBuilder()
          .getNamespaceOptionsBuilder()
          .setUsernsOptions(users(mapping));
      return config;
    };
  }

  private static UserNamespace users(IDMapping mapping) {
    return UserNamespace.newBuilder()
        .setMode(NamespaceMode.POD)
        .addUids(mapping)
        .addGids(mapping)
        .build();
  }

  private static IDMapping mapping(int inside) {
    return IDMapping.newBuilder().setContainerId(inside).setHostId(FIRST_ID).setLength(IDS).build();
  }
}
