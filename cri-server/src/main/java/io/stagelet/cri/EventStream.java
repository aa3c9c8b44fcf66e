package io.stagelet.cri;

import io.stagelet.cri.stats.Broadcast;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Carries events to one client, no faster than it takes them, on a thread of its own. What waits
 * meanwhile is bounded by the subscription.
 *
 * @param <T> what happens
 */
final class EventStream<T> {
  /** Where the events go. */
  interface Client<T> {
    void send(T event);

    /** The server stops. */
    void end();

    /** The client was too slow, and has missed what happened since. */
    void tooSlow();
  }

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Broadcast<T>.Subscription subscription;
  private final BooleanSupplier ready;
  private boolean gone;

  /**
   * A stream that has not begun.
   *
   * @param ready whether the client takes more now; {@link #wake} says that it may have changed
   */
  EventStream(Broadcast<T>.Subscription subscription, BooleanSupplier ready) {
    this.subscription = subscription;
    this.ready = ready;
  }

  /** Begins. */
  void start(Client<T> client) {
    Thread.ofVirtual().name("events").start(() -> carry(client));
  }

  private void carry(Client<T> client) {
    try (subscription) {
      for (Optional<T> event = subscription.next();
          event.isPresent();
          event = subscription.next()) {
        if (!awaitReady()) {
          return;
        }
        client.send(event.get());
      }
      if (isGone()) {
        return;
      }
      if (subscription.fellBehind()) {
        client.tooSlow();
      } else {
        client.end();
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean awaitReady() throws InterruptedException {
    lock.lock();
    try {
      while (!gone && !ready.getAsBoolean()) {
        changed.await();
      }
      return !gone;
    } finally {
      lock.unlock();
    }
  }

  private boolean isGone() {
    lock.lock();
    try {
      return gone;
    } finally {
      lock.unlock();
    }
  }

  /** The client may take more now. */
  void wake() {
    locked(_ -> {});
  }

  /** The client has gone away. */
  void clientGone() {
    locked(stream -> stream.gone = true);
    subscription.close();
  }

  private void locked(Consumer<EventStream<T>> change) {
    lock.lock();
    try {
      change.accept(this);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
