package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/**
 * What every suite has: the node, pods that are gone after each test, and the look at what was left
 * behind, after the last one.
 */
@ForEachHandler
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
abstract class ConformanceSuite {
  private static final Duration SETTLING = Duration.ofSeconds(10);

  private final NodeUnderTest node;
  private final Leftovers before;
  private final Pods pods;
  private final Pods classPods;
  private @Nullable TestPod sharedPod;

  ConformanceSuite(NodeUnderTest node) {
    this.node = node;
    before = node.runtime().leftovers();
    pods = new Pods(node);
    classPods = new Pods(node);
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
    TestPod pod = sharedPod;
    if (pod == null) {
      pod = classPods.run();
      sharedPod = pod;
    }
    return pod;
  }

  /** The status with which a call is refused; the test fails if it is not. */
  static Status refusal(ThrowingCallable call) {
    Throwable thrown = catchThrowable(call);
    assertThat(thrown).isInstanceOf(StatusRuntimeException.class);
    return ((StatusRuntimeException) thrown).getStatus();
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
    pods.removeAll();
  }

  @AfterAll
  final void nothingIsLeftBehind() {
    pods.close();
    classPods.close();
    await("what was left behind")
        .atMost(SETTLING)
        .untilAsserted(() -> {
          Leftovers now = node.runtime().leftovers();
          assertThat(now.since(before)).as("left behind on the node").isEmpty();
          assertThat(now.named(pods.everMade())).as("left behind of pods").isEmpty();
          assertThat(now.named(classPods.everMade())).as("left behind of pods").isEmpty();
        });
  }
}
