package io.stagelet.cri;

import io.stagelet.cri.stats.Broadcast;
import java.time.Clock;
import java.time.Instant;
import java.util.List;

/**
 * What happens to sandboxes and containers, told as it happens by their lifecycles: under the
 * sandbox's lock, so that the events of a pod come in their order, and after the new state is on
 * disk, so that whoever hears of it and asks is told the same.
 */
final class LifeEvents implements AutoCloseable {
  /** How far a listener may fall behind: a node full of pods that all change several times. */
  private static final int MOST_WAITING = 10_000;

  /** What happened. */
  enum Kind {
    CREATED,
    STARTED,
    STOPPED,
    DELETED
  }

  /**
   * An event.
   *
   * @param id of the container, or of the sandbox when it is one of its own
   * @param sandbox as it is afterwards
   * @param containers all that it has afterwards
   */
  record Event(
      Kind kind, String id, Instant at, SandboxRecord sandbox, List<ContainerRecord> containers) {
    Event {
      containers = List.copyOf(containers);
    }
  }

  private final Pods pods;
  private final Clock clock;
  private final Broadcast<Event> listeners = new Broadcast<>(MOST_WAITING);

  LifeEvents(Pods pods, Clock clock) {
    this.pods = pods;
    this.clock = clock;
  }

  /** To be called under the lock of the container's sandbox. */
  void tell(Kind kind, Container container) {
    tell(kind, container.id().value(), container.sandbox());
  }

  /** To be called under the sandbox's lock, or before anybody else knows it. */
  void tell(Kind kind, Sandbox sandbox) {
    tell(kind, sandbox.id().value(), sandbox);
  }

  private void tell(Kind kind, String id, Sandbox sandbox) {
    listeners.tell(
        new Event(
            kind,
            id,
            clock.instant(),
            sandbox.record(),
            pods.containersOf(sandbox).stream().map(Container::record).toList()));
  }

  /** Hears of all events from now on. */
  Broadcast<Event>.Subscription subscribe() {
    return listeners.subscribe();
  }

  /** Ends all subscriptions. */
  @Override
  public void close() {
    listeners.close();
  }
}
