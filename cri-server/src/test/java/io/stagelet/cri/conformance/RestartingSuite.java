package io.stagelet.cri.conformance;

import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What the suites have that kill Stagelet's server and start it again. */
abstract class RestartingSuite extends ConformanceSuite {
  RestartingSuite(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  final void onlyOurs() {
    stageletOnly("the suite does not start and stop other runtimes");
  }

  @AfterEach
  final void theServerRuns() {
    if (node().runtime() instanceof StageletRuntime runtime) {
      runtime.disarm();
      runtime.ensureItRuns();
      awaitServer();
    }
  }

  final StageletRuntime server() {
    return (StageletRuntime) node().runtime();
  }

  final void startAgain() {
    server().startAgain();
    awaitServer();
  }

  /** The client finds the new socket by itself, a little later. */
  final void awaitServer() {
    cri().channel().resetConnectBackoff();
    await("an answer of the server")
        .atMost(Duration.ofSeconds(30))
        .pollInterval(Duration.ofMillis(20))
        .ignoreExceptionsInstanceOf(StatusRuntimeException.class)
        .until(() -> !cri().version().getRuntimeName().isEmpty());
  }

  /**
   * Makes a call; when the server dies in it, starts the server again and repeats it, as kubelet
   * does.
   */
  final <T> T repeated(Supplier<T> call) {
    try {
      return call.get();
    } catch (StatusRuntimeException cut) {
      if (cut.getStatus().getCode() != Status.Code.UNAVAILABLE) {
        throw cut;
      }
      try {
        server().awaitDeath();
      } catch (RuntimeException alive) {
        cut.addSuppressed(alive);
        throw cut;
      }
      startAgain();
      return call.get();
    }
  }

  /** The same for a call that answers nothing. */
  final void repeated(Runnable call) {
    var _ =
        repeated(() -> {
          call.run();
          return true;
        });
  }
}
