package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.stagelet.cri.v1.PodSandboxConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/**
 * Pods that are made, looked at and removed by several callers at once, who repeat a call that
 * failed for want of a server or of systemd, as kubelet does.
 */
final class PodWork implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(90);
  private static final Duration GRACE = Duration.ofSeconds(60);

  private final Pods pods;
  private final int lives;
  private final AtomicInteger begun = new AtomicInteger();
  private final AtomicInteger ended = new AtomicInteger();
  private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
  private final List<Future<?>> callers = new ArrayList<>();

  /** Begins with it: {@code lives} pods in all, at most as many at once as there are callers. */
  PodWork(Pods pods, int callers, int lives) {
    this.pods = pods;
    this.lives = lives;
    for (int i = 0; i < callers; i++) {
      this.callers.add(executor.submit(this::call));
    }
  }

  private void call() {
    while (begun.getAndIncrement() < lives) {
      live();
      ended.incrementAndGet();
    }
  }

  private void live() {
    PodSandboxConfig config = pods.config(UnaryOperator.identity());
    TestPod pod = persistently(() -> pods.run(config));
    ContainerBuilder builder =
        pod.container().shell("trap 'exit 7' TERM; echo ready; sleep 1000000 & wait");
    TestContainer container = persistently(builder::create);
    persistently(container::start);
    assertThat(container.awaitOutput(1)).containsExactly("ready");
    persistently(() -> container.stop(GRACE));
    assertThat(persistently(container::status).getExitCode()).isEqualTo(7);
    persistently(pod::stop);
    persistently(pod::remove);
  }

  private static <T> T persistently(Supplier<T> call) {
    long begun = System.nanoTime();
    while (true) {
      try {
        return call.get();
      } catch (StatusRuntimeException failure) {
        if (failure.getStatus().getCode() != Status.Code.UNAVAILABLE
            || System.nanoTime() - begun > PATIENCE.toNanos()) {
          throw failure;
        }
      }
      pause();
    }
  }

  private static void persistently(Runnable call) {
    var _ =
        persistently(() -> {
          call.run();
          return true;
        });
  }

  private static void pause() {
    try {
      Thread.sleep(50);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the work was given up", interrupted);
    }
  }

  /** Returns when so many pods have come and gone, and fails at once when a caller failed. */
  void awaitEnded(int number) {
    await("%d pods that have come and gone".formatted(number))
        .atMost(PATIENCE)
        .pollInterval(Duration.ofMillis(20))
        .until(() -> {
          for (Future<?> caller : callers) {
            if (caller.state() == Future.State.FAILED) {
              throw new AssertionError("a pod's life failed", caller.exceptionNow());
            }
          }
          return ended.get() >= number;
        });
  }

  /** Returns when all have come and gone. */
  void finish() throws InterruptedException {
    for (Future<?> caller : callers) {
      try {
        caller.get();
      } catch (ExecutionException failure) {
        throw new AssertionError("a pod's life failed", failure.getCause());
      }
    }
  }

  @Override
  public void close() {
    executor.shutdownNow();
    executor.close();
  }
}
