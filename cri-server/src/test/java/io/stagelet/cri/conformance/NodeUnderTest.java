package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.CleanupStack;
import java.time.Duration;
import java.util.Collection;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * What one class of tests is given for one handler: a running runtime, a client to it, images to
 * pull, and a pod that all its tests may use. When the class is through it is closed, and that
 * looks for what was left behind.
 */
final class NodeUnderTest implements AutoCloseable {
  private static final Duration SETTLING = Duration.ofSeconds(10);

  private final ConformanceSession session;
  private final Handler handler;
  private final Collection<String> ids = new ConcurrentLinkedQueue<>();
  private @Nullable Leftovers before;
  private @Nullable Pods sharedPods;
  private @Nullable TestPod sharedPod;

  NodeUnderTest(ConformanceSession session, Handler handler) {
    this.session = session;
    this.handler = handler;
  }

  /** To be called before each test: what the node has before the first is not a leftover. */
  void begin() {
    if (before == null) {
      before = runtime().leftovers();
    }
  }

  RuntimeUnderTest runtime() {
    return session.runtime();
  }

  CriClient cri() {
    return session.cri();
  }

  TestImages images() {
    return session.images();
  }

  Handler handler() {
    return handler;
  }

  /** The tag of an image that is on the node: pulled now unless it has been. */
  String pulled(PushedImage image) {
    return session.pulled(image);
  }

  /** One pod for all tests of the class, for those that are about containers. */
  TestPod sharedPod() {
    TestPod pod = sharedPod;
    if (pod == null) {
      Pods pods = new Pods(this);
      sharedPods = pods;
      pod = pods.run();
      sharedPod = pod;
    }
    return pod;
  }

  /** Notes the id of a sandbox or container, so that its traces can be looked for. */
  void made(String id) {
    ids.add(id);
  }

  @Override
  public void close() {
    try (CleanupStack cleanup = new CleanupStack()) {
      cleanup.push("look for leftovers", this::nothingIsLeftBehind);
      if (sharedPods != null) {
        cleanup.push("remove the shared pod", sharedPods::close);
      }
    }
  }

  private void nothingIsLeftBehind() {
    Leftovers atFirst = before;
    if (atFirst == null) {
      return; // no test was run
    }
    await("what was left behind")
        .atMost(SETTLING)
        .untilAsserted(() -> {
          Leftovers now = runtime().leftovers();
          assertThat(now.since(atFirst)).as("left behind on the node").isEmpty();
          assertThat(now.named(ids)).as("left behind by the runtime").isEmpty();
        });
  }

  /** For a test's display name. */
  @Override
  public String toString() {
    return handler.toString();
  }
}
