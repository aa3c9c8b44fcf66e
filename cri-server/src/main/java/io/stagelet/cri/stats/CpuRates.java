package io.stagelet.cri.stats;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * How much processor time is used per second, from one reading to another. However often is asked,
 * a rate is over a second at least: over less it would jump.
 */
public final class CpuRates {
  private static final Duration SHORTEST = Duration.ofSeconds(1);
  private static final long NANOSECONDS = 1_000_000_000L;

  private record Reading(Instant at, long microseconds) {}

  /** Two readings, the second of which a later one is not compared with yet. */
  private record Readings(Reading base, Reading latest) {}

  private final Map<String, Readings> known = new ConcurrentHashMap<>();

  /**
   * The rate of whoever is named {@code id}, in nanoseconds per second.
   *
   * @param begin since when {@code microseconds} were used, which the first rate is over
   */
  public long nanoCores(String id, long microseconds, Instant at, Instant begin) {
    Reading now = new Reading(at, microseconds);
    Readings readings =
        known.compute(
            id,
            (_, before) -> {
              if (before == null || microseconds < before.latest().microseconds()) {
                return new Readings(new Reading(begin, 0), now);
              }
              return apart(before.latest(), now) ? new Readings(before.latest(), now) : before;
            });
    Reading base = readings.base();
    long elapsed = Duration.between(base.at(), at).toNanos();
    if (elapsed <= 0) {
      return 0;
    }
    return (long)
        ((microseconds - base.microseconds()) * 1_000.0 * NANOSECONDS / Math.max(1, elapsed));
  }

  private static boolean apart(Reading one, Reading other) {
    return Duration.between(one.at(), other.at()).compareTo(SHORTEST) >= 0;
  }

  /** Forgets all but those. */
  public void keepOnly(Set<String> ids) {
    known.keySet().retainAll(ids);
  }
}
