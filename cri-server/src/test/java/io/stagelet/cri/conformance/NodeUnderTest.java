package io.stagelet.cri.conformance;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What a suite is given: a running runtime, a client to it, images to pull, and one handler. */
final class NodeUnderTest {
  private final ConformanceSession session;
  private final Handler handler;
  private final Set<String> pulled = ConcurrentHashMap.newKeySet();

  NodeUnderTest(ConformanceSession session, Handler handler) {
    this.session = session;
    this.handler = handler;
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
    if (pulled.add(image.byTag())) {
      cri().pullImage(image.byTag());
    }
    return image.byTag();
  }

  /** For a test's display name. */
  @Override
  public String toString() {
    return handler.toString();
  }
}
