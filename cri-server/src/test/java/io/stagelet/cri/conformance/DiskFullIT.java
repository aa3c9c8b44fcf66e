package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The disk that the server keeps its records on is full: what needs it says so, what runs can be
 * stopped and removed all the same, and when there is room again nothing is amiss.
 */
class DiskFullIT extends RestartingSuite {
  private static final String FULL = "No space left on device";

  DiskFullIT(NodeUnderTest node) {
    super(node);
  }

  private List<Path> folders() {
    return List.of(server().records("sandboxes"), server().records("containers"));
  }

  @BeforeEach
  void aSmallDisk() {
    node().pulled(images().busybox());
    for (Path folder : folders()) {
      Command.of("mount", "-t", "tmpfs", "-o", "size=1m", "small", folder.toString()).runChecked();
    }
  }

  @AfterEach
  void theUsualDisk() throws IOException {
    if (!(node().runtime() instanceof StageletRuntime)) {
      return; // the test was aborted before there was a small one
    }
    for (Path folder : folders()) {
      free(folder);
    }
    pods().removeAll();
    for (Path folder : folders()) {
      Command.of("umount", folder.toString()).runChecked();
    }
  }

  private void fill() throws IOException {
    for (Path folder : folders()) {
      byte[] page = new byte[4096];
      try (OutputStream file = Files.newOutputStream(folder.resolve("full"))) {
        while (true) {
          file.write(page);
        }
      } catch (IOException full) {
        assertThat(full).hasMessageContaining(FULL);
      }
    }
  }

  private void free() throws IOException {
    for (Path folder : folders()) {
      free(folder);
    }
  }

  private static void free(Path folder) throws IOException {
    Files.deleteIfExists(folder.resolve("full"));
  }

  @Test
  void aSandboxIsRefusedWithTheReasonAndLeavesNothing() throws IOException {
    Leftovers before = node().runtime().leftovers();
    PodSandboxConfig config = pods().config(UnaryOperator.identity());
    fill();

    Status status = refusal(() -> pods().run(config));

    assertThat(status.getDescription()).contains(FULL);
    assertThat(pods().known()).isEmpty();
    free();
    nothingMoreThan(before);
    assertThat(pods().run(config).status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
  }

  @Test
  void aContainerIsRefusedWithTheReasonAndLeavesNothing() throws IOException {
    TestPod pod = pods().run();
    Leftovers before = node().runtime().leftovers();
    ContainerBuilder builder = pod.container().idle();
    fill();

    Status status = refusal(builder::create);

    assertThat(status.getDescription()).contains(FULL);
    assertThat(pod.containers()).isEmpty();
    free();
    nothingMoreThan(before);
    TestContainer container = builder.create();
    container.start();
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  @Test
  void aContainerIsNotStartedButCanBeWhenThereIsRoom() throws IOException {
    TestContainer container = pods().run().container().idle().create();
    fill();

    Status status = refusal(container::start);

    assertThat(status.getDescription()).contains(FULL);
    free();
    container.start();
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
  }

  @Test
  void whatRunsIsStoppedAndRemoved() throws IOException {
    Leftovers before = node().runtime().leftovers();
    TestPod pod = pods().run();
    TestContainer asked =
        pod.container().shell("trap 'exit 7' TERM; echo ready; sleep 1000000 & wait").start();
    TestContainer killed = pod.idleContainer();
    asked.awaitOutput(1);
    fill();

    asked.stop(Duration.ofSeconds(60));
    assertThat(asked.status().getExitCode()).isEqualTo(7);
    pod.stop();
    assertThat(killed.status().getExitCode()).isEqualTo(137);
    pod.remove();

    assertThat(pods().known()).isEmpty();
    free();
    nothingMoreThan(before);
  }

  @Test
  void anEndThatCouldNotBeWrittenDownIsKnownAfterARestart() throws IOException {
    TestPod pod = pods().run();
    TestContainer other = pod.idleContainer();
    String seconds = NodeProcesses.markedSleep();
    TestContainer sleeper = pod.container().shell("sleep " + seconds + "; exit 7").start();
    List<Long> pids = sleeper.awaitSleeping(seconds);
    fill();
    pids.forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> sleeper.status().getState() == ContainerState.CONTAINER_EXITED);

    server().kill();
    free();
    startAgain();

    ContainerStatus status = sleeper.awaitEnd();
    assertThat(status.getExitCode()).isEqualTo(7);
    assertThat(other.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }
}
