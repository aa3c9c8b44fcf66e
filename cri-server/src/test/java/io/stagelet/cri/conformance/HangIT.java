package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Programs that the server waits for hang: kubelet gives up, and its next try works. */
class HangIT extends RestartingSuite {
  private static final Duration GIVE_UP = Duration.ofSeconds(2);

  private final Path network;
  private String usual = "";

  HangIT(NodeUnderTest node) {
    super(node);
    network =
        node.runtime() instanceof StageletRuntime runtime
            ? runtime.networks().resolve("10-conformance.conflist")
            : Path.of("/nonexistent");
  }

  @BeforeEach
  void aPluginThatCanHang() throws IOException {
    usual = Files.readString(network);
    Files.writeString(
        network,
        usual.replace(
            "\"type\": \"bridge\"", "\"type\": \"%s\"".formatted(StageletRuntime.HANGING_PLUGIN)));
  }

  @AfterEach
  void theUsualNetwork() throws IOException {
    Files.writeString(network, usual);
  }

  @Test
  void aSandboxWhoseNetworkPluginHungIsThereWhenItIsAskedForAgain() throws Exception {
    PodSandboxConfig config = pods().config(UnaryOperator.identity());
    try (StageletRuntime.Gate gate = server().hangs("ADD")) {
      Status status = refusal(() -> pods().run(config, GIVE_UP));
      assertThat(status.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      gate.awaitArrival();
    }

    TestPod pod = pods().run(config);

    assertThat(pod.ip()).isNotEmpty();
    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
  }

  @Test
  void aServerKilledWhileANetworkPluginHangsLeavesNothing() throws Exception {
    Leftovers before = node().runtime().leftovers();
    PodSandboxConfig config = pods().config(UnaryOperator.identity());
    try (StageletRuntime.Gate gate = server().hangs("ADD")) {
      Status status = refusal(() -> pods().run(config, GIVE_UP));
      assertThat(status.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      gate.awaitArrival();
      server().kill();
    }
    startAgain();

    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
    assertThat(pods().run(config).ip()).isNotEmpty();
  }

  @Test
  void aSandboxWhoseNetworkPluginHangsInItsRemovalGoesWithTheNextTry() {
    Leftovers before = node().runtime().leftovers();
    TestPod pod = pods().run();
    try (StageletRuntime.Gate gate = server().hangs("DEL")) {
      Status status =
          refusal(() ->
              cri()
                  .runtime(GIVE_UP)
                  .stopPodSandbox(
                      StopPodSandboxRequest.newBuilder().setPodSandboxId(pod.id()).build()));
      assertThat(status.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      gate.awaitArrival();
    }

    pod.stop();
    pod.remove();

    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
  }

  @Test
  void aContainerWhoseRuntimeHungInItsStartRunsAfterTheNextTry() {
    TestPod pod = hangingPod();
    TestContainer container = pod.container().idle().create();
    try (StageletRuntime.Gate gate = server().hangs("create")) {
      assertThat(givenUp(container)).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      gate.awaitArrival();
    }

    container.start();

    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
  }

  @Test
  void aPodWhoseRuntimeHangsIsStoppedAndRemoved() throws Exception {
    Leftovers before = node().runtime().leftovers();
    TestPod pod = hangingPod();
    TestContainer container = pod.container().idle().create();
    try (StageletRuntime.Gate gate = server().hangs("create");
        ExecutorService caller = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> start = caller.submit(container::start);
      gate.awaitArrival();

      pod.stop();
      pod.remove();

      assertThat(start).failsWithin(Duration.ofSeconds(60));
      assertThat(pods().known()).isEmpty();
      nothingMoreThan(before);
    }
  }

  @Test
  void anExecWhoseRuntimeHangsEndsInTime() {
    TestContainer container = hangingPod().idleContainer();
    try (StageletRuntime.Gate gate = server().hangs("exec")) {
      Status status = refusal(() -> container.exec(Duration.ofSeconds(1), "true"));
      assertThat(status.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      gate.awaitArrival();
    }

    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
  }

  private TestPod hangingPod() {
    node().pulled(images().busybox());
    PodSandboxConfig config = pods().config(UnaryOperator.identity());
    return new TestPod(pods(), cri().runPodSandbox(config, StageletRuntime.HANGING), config);
  }

  private Status.Code givenUp(TestContainer container) {
    return refusal(() ->
            cri()
                .runtime(GIVE_UP)
                .startContainer(
                    StartContainerRequest.newBuilder().setContainerId(container.id()).build()))
        .getCode();
  }
}
