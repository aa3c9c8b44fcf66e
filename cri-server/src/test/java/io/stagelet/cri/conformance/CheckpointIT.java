package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.stagelet.cri.v1.CheckpointContainerRequest;
import io.stagelet.cri.v1.ContainerStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a container is can be kept in a file, and go on from there in another pod. */
class CheckpointIT extends ConformanceSuite {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Duration GRACE = Duration.ofSeconds(20);
  private static final int ASKED = 7;

  /** Counts, where only its memory knows how far it is, and ends with its own code when asked. */
  private static final String COUNT =
      "trap 'exit %d' TERM; mkdir /written; i=0; while :; do i=$((i+1)); echo $i; echo $i > /written/count; sleep 0.1; done"
          .formatted(ASKED);

  @TempDir private Path host;

  CheckpointIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void asked() {
    stageletOnly("what is restored is named by the archive's path");
  }

  private void checkpoint(TestContainer container, Path archive) {
    assumeTrue(
        Files.exists(Path.of("/proc/sys/kernel/ns_last_pid")),
        "this kernel is built without CONFIG_CHECKPOINT_RESTORE, which criu wants");
    var _ =
        cri()
            .runtime(PATIENCE)
            .checkpointContainer(
                CheckpointContainerRequest.newBuilder()
                    .setContainerId(container.id())
                    .setLocation(archive.toString())
                    .setTimeout(60)
                    .build());
  }

  private ContainerBuilder counting(TestPod pod) throws IOException {
    return pod.container(images().layered())
        .shell(COUNT)
        .mount(Files.createDirectories(host.resolve("volume")), "/volume", false);
  }

  private ContainerBuilder restored(TestPod pod, Path archive) {
    return pod.container(images().layered())
        .with(config -> config.getImageBuilder().setImage(archive.toString()))
        .mount(host.resolve("volume"), "/volume", false);
  }

  private static int last(TestContainer container) {
    return Integer.parseInt(container.log().lines("stdout").getLast());
  }

  private void goesOn(TestPod first, TestPod second) throws IOException {
    Path archive = host.resolve("checkpoint.tar");
    TestContainer container = counting(first).start();
    List<String> begin = container.awaitOutput(3);
    container.execText(
        "sh", "-c", "echo kept > /written/file; rm /data/owned; echo seen > /volume/file");
    int before = last(container);

    checkpoint(container, archive);

    int after = last(container);
    int lines = container.log().lines("stdout").size();
    assertThat(begin).startsWith("1", "2");
    assertThat(container.awaitOutput(lines + 3)).as("it runs on").hasSizeGreaterThan(lines);
    assertThat(container.execText("cat", "/written/file")).isEqualTo("kept");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(archive)))
        .isEqualTo("rw-------");
    assertThat(names(archive))
        .contains(
            "config.dump", "spec.dump", "rootfs-diff.tar", "dump.log", "checkpoint/inventory.img");
    assertThat(files(host)).containsExactlyInAnyOrder("checkpoint.tar", "volume");

    TestContainer again = restored(second, archive).start();
    List<Integer> counted = again.awaitOutput(5).stream().map(Integer::valueOf).toList();
    assertThat(counted.getFirst()).isGreaterThan(before).isLessThanOrEqualTo(after + 1);
    assertThat(counted)
        .as("it counts on without a gap")
        .isEqualTo(
            Stream.iterate(counted.getFirst(), number -> number + 1)
                .limit(counted.size())
                .toList());
    assertThat(again.execText("cat", "/written/file", "/volume/file")).isEqualTo("kept\nseen");
    assertThat(Integer.parseInt(again.execText("cat", "/written/count"))).isGreaterThan(before);
    assertThat(again.exec("cat", "/data/owned").getExitCode()).isNotZero();
    assertThat(again.execText("hostname")).isEqualTo(second.config().getHostname());
    ContainerStatus status = again.status();
    assertThat(status.getImage()).isEqualTo(container.status().getImage());
    assertThat(status.getImageId()).isEqualTo(container.status().getImageId());
    again.stop(GRACE);
    assertThat(again.awaitEnd().getExitCode()).isEqualTo(ASKED);
    container.stop(GRACE);
    assertThat(container.awaitEnd().getExitCode()).isEqualTo(ASKED);
  }

  @Test
  void aContainerGoesOnInAnotherPod() throws IOException {
    Leftovers before = node().runtime().leftovers();
    TestPod first = pods().run();
    TestPod second = pods().run();

    goesOn(first, second);

    first.remove();
    second.remove();
    nothingMoreThan(before);
  }

  @Test
  void aContainerOfOneProcessTreeGoesOnInAnother() throws IOException {
    goesOn(pods().run(Pods.withOneProcessTree()), pods().run(Pods.withOneProcessTree()));
  }

  @Test
  void anArchiveThatIsDamagedOrThatOthersCouldHaveWrittenIsRefusedByItsName() throws IOException {
    Path archive = host.resolve("checkpoint.tar");
    TestPod pod = sharedPod();
    TestContainer container = counting(pod).start();
    var _ = container.awaitOutput(1);
    checkpoint(container, archive);
    byte[] whole = Files.readAllBytes(archive);
    Leftovers before = node().runtime().leftovers();

    Path cut = host.resolve("cut.tar");
    Files.write(cut, Arrays.copyOf(whole, whole.length / 2));
    refused(pod, cut, Status.Code.DATA_LOSS, "ends");
    Path rubbish = Files.writeString(host.resolve("rubbish.tar"), "rubbish".repeat(1000));
    refused(pod, rubbish, Status.Code.DATA_LOSS, "damaged");
    refused(pod, host.resolve("absent.tar"), Status.Code.NOT_FOUND, "no checkpoint archive");
    Path link = Files.createSymbolicLink(host.resolve("link.tar"), archive);
    refused(pod, link, Status.Code.INVALID_ARGUMENT, "not a regular file");
    Files.setPosixFilePermissions(archive, PosixFilePermissions.fromString("rw--w----"));
    refused(pod, archive, Status.Code.PERMISSION_DENIED, "others than root");
    Files.setPosixFilePermissions(archive, PosixFilePermissions.fromString("rw-------"));
    Status refusal =
        refusal(
            pod.container(images().layered())
                    .with(config -> config.getImageBuilder().setImage(archive.toString()))
                ::create);
    assertThat(refusal.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(refusal.getDescription()).contains("same mounts", "/volume");
    assertThat(refusal(() -> checkpoint(container, archive)).getDescription())
        .contains("nothing is yet");

    nothingMoreThan(before);
    container.remove();
  }

  @Test
  void aContainerThatStandsStillWhenTheServerIsKilledRunsOnWithTheNextOne() throws IOException {
    StageletRuntime server = (StageletRuntime) node().runtime();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container =
        pods()
            .run()
            .container()
            .shell("sleep %s & while :; do echo on; sleep 0.1; done".formatted(seconds))
            .start();
    Path freeze =
        Path.of(
            "/sys/fs/cgroup" + NodeProcesses.cgroup(container.awaitSleeping(seconds).getFirst()),
            "cgroup.freeze");
    Files.writeString(freeze, "1");

    server.kill();
    server.startAgain();

    int lines = container.log().lines("stdout").size();
    assertThat(container.awaitOutput(lines + 3)).hasSizeGreaterThan(lines);
    assertThat(Files.readString(freeze).strip()).isEqualTo("0");
    cri().channel().resetConnectBackoff();
    assertThat(container.execText("echo", "runs on")).isEqualTo("runs on");
  }

  private void refused(TestPod pod, Path archive, Status.Code code, String words) {
    Status refusal = refusal(restored(pod, archive)::create);
    assertThat(refusal.getDescription()).contains(archive.toString(), words);
    assertThat(refusal.getCode()).isEqualTo(code);
  }

  private static List<String> names(Path archive) throws IOException {
    Process tar = new ProcessBuilder("tar", "--list", "--file=" + archive).start();
    try (var lines = tar.inputReader()) {
      return lines.readAllLines();
    }
  }

  private static List<String> files(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }
}
