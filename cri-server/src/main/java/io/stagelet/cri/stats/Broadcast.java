package io.stagelet.cri.stats;

import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Brings what happens to everyone who listens, in one order. Whoever tells never waits: each
 * listener has a queue of its own, and one that falls too far behind is cut off, and learns that it
 * was, rather than slow the others or miss something unknowingly.
 *
 * @param <T> what happens
 */
public final class Broadcast<T> implements AutoCloseable {
  private final int mostWaiting;
  private final Set<Subscription> subscriptions = ConcurrentHashMap.newKeySet();

  /** With queues of this length. */
  public Broadcast(int mostWaiting) {
    this.mostWaiting = mostWaiting;
  }

  /** Tells everyone. */
  public void tell(T happened) {
    subscriptions.forEach(subscription -> subscription.add(happened));
  }

  /** Listens from now on, until it is closed. */
  public Subscription subscribe() {
    Subscription subscription = new Subscription();
    subscriptions.add(subscription);
    return subscription;
  }

  /** Ends all subscriptions: whoever waits is told. */
  @Override
  public void close() {
    subscriptions.forEach(Subscription::close);
  }

  /** How many listen. */
  public int subscribers() {
    return subscriptions.size();
  }

  /** What one listener has not taken yet. */
  public final class Subscription implements AutoCloseable {
    private final LinkedBlockingQueue<Optional<T>> waiting =
        new LinkedBlockingQueue<>(mostWaiting + 1);
    private final AtomicBoolean behind = new AtomicBoolean();

    private Subscription() {}

    private synchronized void add(T happened) {
      // the last place is for the end's mark
      if (waiting.remainingCapacity() > 1) {
        waiting.add(Optional.of(happened));
      } else {
        behind.set(true);
        close();
      }
    }

    /** Waits for what happens next; empty when it is closed, or was cut off. */
    public Optional<T> next() throws InterruptedException {
      return waiting.take();
    }

    /** Whether it was cut off. */
    public boolean fellBehind() {
      return behind.get();
    }

    @Override
    public synchronized void close() {
      if (subscriptions.remove(this)) {
        waiting.add(Optional.empty());
      }
    }
  }
}
