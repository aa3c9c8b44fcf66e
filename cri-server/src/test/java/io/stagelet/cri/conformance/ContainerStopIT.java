package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.cri.v1.Signal;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** A container is asked to end, and made to end when its grace is over. */
@AlsoOnNspawn
class ContainerStopIT extends ConformanceSuite {
  private static final Duration LONG = Duration.ofSeconds(60);

  /** Says "ready", and waits for a signal that ends it. */
  private static final String WAIT = "echo ready; while :; do sleep 1000000 & wait; done";

  ContainerStopIT(NodeUnderTest node) {
    super(node);
  }

  private TestContainer ready(String script) {
    TestContainer container = sharedPod().container().shell(script + WAIT).start();
    container.awaitLine();
    return container;
  }

  private static Duration timeOf(Runnable call) {
    long begin = System.nanoTime();
    call.run();
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  @Test
  void aContainerIsAskedWithSigtermAndItsAnswerIsItsExitCode() {
    TestContainer container = ready("trap 'echo terminated; exit 42' TERM; ");

    Duration took = timeOf(() -> container.stop(LONG));

    ContainerStatus status = container.status();
    assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(status.getExitCode()).isEqualTo(42);
    assertThat(container.awaitOutput(2)).containsExactly("ready", "terminated");
    assertThat(took).isLessThan(LONG);
  }

  @Test
  void aContainerThatDoesNotListenIsKilledWhenItsGraceIsOver() {
    TestContainer container = ready("trap 'echo no' TERM; ");

    Duration took = timeOf(() -> container.stop(Duration.ofSeconds(2)));

    assertThat(took).isBetween(Duration.ofSeconds(2), Duration.ofSeconds(20));
    ContainerStatus status = container.status();
    assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(status.getExitCode()).isEqualTo(137);
    assertThat(status.getReason()).isEqualTo("Error");
    assertThat(container.log().lines("stdout")).containsExactly("ready", "no");
  }

  @Test
  void withoutGraceItIsKilledUnasked() {
    TestContainer container = ready("trap 'echo asked; exit 0' TERM; ");

    container.stop(Duration.ZERO);

    assertThat(container.status().getExitCode()).isEqualTo(137);
    assertThat(container.log().lines("stdout")).containsExactly("ready");
  }

  @Test
  void theSignalIsTheImagesWhenItHasOne() {
    TestContainer container =
        sharedPod()
            .container(images().stopSignal())
            .shell("trap 'exit 1' TERM; trap 'exit 11' USR1; " + WAIT)
            .start();
    container.awaitLine();

    container.stop(LONG);

    assertThat(container.status().getExitCode()).isEqualTo(11);
  }

  @Test
  void theSignalIsTheContainersOwnBeforeTheImages() {
    stageletOnly("stop_signal came with Kubernetes 1.33");
    TestContainer container =
        sharedPod()
            .container(images().stopSignal())
            .shell("trap 'exit 1' TERM; trap 'exit 11' USR1; trap 'exit 12' USR2; " + WAIT)
            .with(config -> config.setStopSignal(Signal.SIGNAL_SIGUSR2))
            .start();
    container.awaitLine();

    container.stop(LONG);

    assertThat(container.status().getExitCode()).isEqualTo(12);
    assertThat(container.status().getStopSignal()).isEqualTo(Signal.SIGNAL_SIGUSR2);
  }

  @Test
  void theStatusTellsTheSignalThatWouldBeSent() {
    stageletOnly("stop_signal came with Kubernetes 1.33");

    assertThat(sharedPod().container().idle().create().status().getStopSignal())
        .isEqualTo(Signal.SIGNAL_SIGTERM);
    assertThat(
            sharedPod().container(images().stopSignal()).idle().create().status().getStopSignal())
        .isEqualTo(Signal.SIGNAL_SIGUSR1);
  }

  @Test
  void allProcessesOfAContainerEndWithItsFirst() {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = ready("setsid sleep " + seconds + " & trap 'exit 0' TERM; ");
    container.awaitSleeping(seconds);

    container.stop(LONG);

    assertThat(NodeProcesses.sleeping(seconds)).isEmpty();
  }

  @Test
  void stoppingAContainerThatHasEndedChangesNothing() {
    TestContainer container = sharedPod().container().shell("exit 6").runToItsEnd();
    ContainerStatus before = container.status();

    container.stop(Duration.ofSeconds(1));
    container.stop(Duration.ZERO);

    assertThat(container.status()).isEqualTo(before);
  }

  @Test
  void aContainerThatIsStoppedTwiceAtOnceIsAskedOnce() throws Exception {
    TestContainer container =
        ready("asked=0; trap 'asked=$((asked+1)); echo asked; sleep 2; exit $asked' TERM; ");

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> stops =
          List.of(
              callers.submit(() -> container.stop(LONG)),
              callers.submit(() -> container.stop(LONG)),
              callers.submit(() -> container.stop(LONG)));
      for (Future<?> stop : stops) {
        stop.get();
      }
    }

    assertThat(container.status().getExitCode()).isEqualTo(1);
    assertThat(container.log().lines("stdout")).containsExactly("ready", "asked");
  }

  @Test
  void aSecondStopWithoutGraceDoesNotWaitForTheFirst() throws Exception {
    TestContainer container = ready("trap 'echo no' TERM; ");

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> patient = callers.submit(() -> container.stop(LONG));
      assertThat(container.awaitOutput(2)).containsExactly("ready", "no");

      Duration took = timeOf(() -> container.stop(Duration.ZERO));

      assertThat(took).isLessThan(Duration.ofSeconds(20));
      patient.get();
    }
    assertThat(container.status().getExitCode()).isEqualTo(137);
  }

  @Test
  void aContainerIsRemovedWhileItIsStopped() throws Exception {
    TestContainer container = ready("trap 'echo no' TERM; ");

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> stop = callers.submit(() -> container.stop(Duration.ofSeconds(5)));
      container.awaitOutput(2);

      assertThatNoException().isThrownBy(container::remove);
      stop.get();
    }
  }

  /** One that is killed in the middle of a command: a probe, say. */
  @Test
  void aContainerEndsAtOnceThoughACommandRunsInIt() throws Exception {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = ready("");

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<ExecSyncResponse> command = callers.submit(() -> container.exec("sleep", seconds));
      container.awaitSleeping(seconds);

      Duration took = timeOf(() -> container.stop(Duration.ZERO));

      assertThat(took).isLessThan(Duration.ofSeconds(5));
      assertThat(command.get().getExitCode()).isEqualTo(137);
    }
    assertThat(container.status().getExitCode()).isEqualTo(137);
  }

  @Test
  void oneStoppedContainerLeavesTheOthersAlone() {
    TestContainer staying = sharedPod().idleContainer();

    sharedPod().idleContainer().stop(LONG);

    assertThat(staying.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }
}
