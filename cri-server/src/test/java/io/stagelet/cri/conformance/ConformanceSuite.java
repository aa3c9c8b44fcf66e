package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;

/** What every suite has: the node, and pods that are gone after each test. */
@ForEachHandler
@Timeout(180)
abstract class ConformanceSuite {
  private final NodeUnderTest node;
  private final Pods pods;

  ConformanceSuite(NodeUnderTest node) {
    this.node = node;
    node.begin();
    pods = new Pods(node);
  }

  final NodeUnderTest node() {
    return node;
  }

  final CriClient cri() {
    return node.cri();
  }

  final TestImages images() {
    return node.images();
  }

  /** Makes pods that are removed after the test. */
  final Pods pods() {
    return pods;
  }

  /** One pod for all tests of the class, for those that are about containers. */
  final TestPod sharedPod() {
    return node.sharedPod();
  }

  /** The status with which a call is refused; the test fails if it is not. */
  static Status refusal(ThrowingCallable call) {
    Throwable thrown = catchThrowable(call);
    assertThat(thrown).isInstanceOf(StatusRuntimeException.class);
    return ((StatusRuntimeException) thrown).getStatus();
  }

  /** Fails unless the node is as it was, soon. */
  final void nothingMoreThan(Leftovers before) {
    await("what was left behind")
        .atMost(Duration.ofSeconds(10))
        .untilAsserted(
            () -> assertThat(node.runtime().leftovers().since(before)).isEqualTo(Set.of()));
  }

  /**
   * Says that a test asks for more than other runtimes promise; why, is in docs/conformance.md. It
   * is reported as aborted for them, with these words.
   */
  final void stageletOnly(String expectation) {
    assumeTrue(node.runtime() instanceof StageletRuntime, "asked of Stagelet only: " + expectation);
  }

  @AfterEach
  final void removeThePods() {
    pods.close();
  }
}
