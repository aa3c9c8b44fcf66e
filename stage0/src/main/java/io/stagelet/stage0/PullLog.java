package io.stagelet.stage0;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says in the log how a long pull gets on, now and then: kubelet sets no deadline, and whoever
 * waits wants to know whether it moves. Called from several threads.
 */
final class PullLog implements PullListener {
  private static final Logger LOG = LoggerFactory.getLogger(PullLog.class);
  private static final long PAUSE_NANOS = Duration.ofSeconds(10).toNanos();
  private static final long MEGA = 1_000_000;

  private final ImageReference reference;
  private final LongSupplier nanos;
  private final Map<Digest, Long> received = new ConcurrentHashMap<>();
  private final AtomicLong said;
  private volatile long bytes;

  PullLog(ImageReference reference, LongSupplier nanos) {
    this.reference = reference;
    this.nanos = nanos;
    this.said = new AtomicLong(nanos.getAsLong());
  }

  @Override
  public void on(PullEvent event) {
    switch (event) {
      case PullEvent.Resolved(var _, var _, long size) -> bytes = size;
      case PullEvent.LayerProgress(Digest layer, long count) -> {
        received.put(layer, count);
        sayNowAndThen();
      }
      case PullEvent.LayerPresent _, PullEvent.LayerStarted _, PullEvent.LayerUnpacked _ -> {}
    }
  }

  private void sayNowAndThen() {
    long now = nanos.getAsLong();
    long last = said.get();
    if (now - last > PAUSE_NANOS && said.compareAndSet(last, now)) {
      long sum = received.values().stream().mapToLong(Long::longValue).sum();
      ImageEvent.PULL_MOVES
          .on(LOG)
          .log("pulling image {}: {} of {} MB have come", reference, sum / MEGA, bytes / MEGA);
    }
  }
}
