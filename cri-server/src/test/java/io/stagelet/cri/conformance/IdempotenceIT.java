package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxState;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls that are made again, at once, or given up, do no harm. */
@AlsoOnNspawn
class IdempotenceIT extends ConformanceSuite {
  private static final int MANY = 10;

  IdempotenceIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void tenPodsAtOnceAllRunAndAllGo() throws Exception {
    node().pulled(images().busybox());
    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<TestContainer>> runs =
          IntStream.range(0, MANY)
              .mapToObj(i -> callers.submit(() -> pods().run().idleContainer()))
              .toList();
      for (Future<TestContainer> run : runs) {
        assertThat(run.get().status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
      }
      assertThat(pods().known()).hasSize(MANY);
      assertThat(
              pods().known().stream()
                  .map(pod -> cri().podSandboxStatus(pod.getId()).getNetwork().getIp()))
          .doesNotHaveDuplicates();

      List<Future<?>> removals =
          pods().known().stream()
              .<Future<?>>map(pod ->
                  callers.submit(() -> {
                    cri().stopPodSandbox(pod.getId());
                    cri().removePodSandbox(pod.getId());
                  }))
              .toList();
      for (Future<?> removal : removals) {
        removal.get();
      }
    }

    assertThat(pods().known()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 20, 50, 100, 200, 400})
  void aSandboxWhoseCallerGaveUpIsThereWhenTheCallIsMadeAgain(int milliseconds) {
    PodSandboxConfig config = pods().config(change -> change);
    try {
      pods().run(config, Duration.ofMillis(milliseconds));
    } catch (StatusRuntimeException gaveUp) {
      assertThat(gaveUp.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    }

    TestPod pod = pods().run(config);

    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
    assertThat(pod.idleContainer().status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  @Test
  void theSameSandboxAskedForAgainIsTheSameSandbox() {
    PodSandboxConfig config = pods().config(change -> change);

    TestPod first = pods().run(config);
    TestPod again = pods().run(config);

    assertThat(again.id()).isEqualTo(first.id());
    assertThat(pods().known()).hasSize(1);
  }

  @Test
  void theSameSandboxAskedForManyTimesAtOnceIsOneSandbox() throws Exception {
    PodSandboxConfig config = pods().config(change -> change);

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<TestPod>> runs =
          IntStream.range(0, 4).mapToObj(i -> callers.submit(() -> pods().run(config))).toList();
      for (Future<TestPod> run : runs) {
        assertThat(run.get().id()).isEqualTo(runs.getFirst().get().id());
      }
    }

    assertThat(pods().known()).hasSize(1);
  }

  @Test
  void theSameContainerAskedForAgainIsTheSameContainer() {
    TestPod pod = pods().run();
    TestContainer first = pod.container().idle().create();

    String again = cri().createContainer(pod.id(), first.config(), pod.config());

    assertThat(again).isEqualTo(first.id());
    assertThat(pod.containers()).extracting(Container::getId).containsExactly(first.id());
  }

  @Test
  void aSandboxIsStoppedAndRemovedByManyAtOnce() throws Exception {
    TestPod pod = pods().run();
    pod.idleContainer();

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> calls =
          IntStream.range(0, 6)
              .<Future<?>>mapToObj(i -> callers.submit(i % 2 == 0 ? pod::stop : pod::remove))
              .toList();
      for (Future<?> call : calls) {
        call.get();
      }
    }
    pod.remove();

    assertThat(pods().known()).isEmpty();
  }
}
