package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/** Counts what pulls do, for whoever shows it. Safe from any thread; nothing is ever taken back. */
public final class PullCounters {
  /**
   * What was counted since the program started.
   *
   * @param running pulls under way now, each counted once however many wait for it
   * @param pulled images that came, or were found to be here
   * @param failed pulls that failed, by the error's code; {@code CANCELLED} are those that nobody
   *     waited for any more
   * @param receivedBytes of layers, packed
   * @param layers that were unpacked
   * @param stalled how often a registry sent nothing for so long that the connection was given up
   * @param broken how often a connection broke off, or ended early
   * @param ranged layers that came over several connections
   */
  public record Figures(
      int running,
      long pulled,
      Map<ErrorCode, Long> failed,
      long receivedBytes,
      long layers,
      long stalled,
      long broken,
      long ranged) {
    public Figures {
      failed = Collections.unmodifiableMap(failed);
    }
  }

  private final AtomicInteger running = new AtomicInteger();
  private final LongAdder pulled = new LongAdder();
  private final Map<ErrorCode, LongAdder> failed = new ConcurrentHashMap<>();
  private final LongAdder receivedBytes = new LongAdder();
  private final LongAdder layers = new LongAdder();
  private final LongAdder stalled = new LongAdder();
  private final LongAdder broken = new LongAdder();
  private final LongAdder ranged = new LongAdder();

  /** What was counted up to now. */
  public Figures figures() {
    Map<ErrorCode, Long> failures = new EnumMap<>(ErrorCode.class);
    failed.forEach((code, count) -> failures.put(code, count.sum()));
    return new Figures(
        running.get(),
        pulled.sum(),
        failures,
        receivedBytes.sum(),
        layers.sum(),
        stalled.sum(),
        broken.sum(),
        ranged.sum());
  }

  void begun() {
    int _ = running.incrementAndGet();
  }

  void ended() {
    int _ = running.decrementAndGet();
  }

  void pulled() {
    pulled.increment();
  }

  void failed(ErrorCode code) {
    failed.computeIfAbsent(code, _ -> new LongAdder()).increment();
  }

  void received(long bytes) {
    receivedBytes.add(bytes);
  }

  void unpacked() {
    layers.increment();
  }

  /** A transfer has to be taken up anew, and this is why. */
  void interrupted(Throwable cause) {
    (cause instanceof BodyReader.SilenceException ? stalled : broken).increment();
  }

  void ranged() {
    ranged.increment();
  }
}
