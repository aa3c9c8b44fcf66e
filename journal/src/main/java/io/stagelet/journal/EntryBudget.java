package io.stagelet.journal;

/**
 * Decides when lines go to the journal one by one, and when several share an entry: journald takes
 * some 25,000 to 50,000 entries a second. Bursts of 2,000 lines, and 10,000 lines a second for as
 * long as they come, get an entry each; what comes beyond that, or while journald is behind, shares
 * entries.
 */
final class EntryBudget {
  private static final long BURST = 2_000;
  private static final long PER_SECOND = 10_000;
  private static final long NANOS_PER_ENTRY = 1_000_000_000L / PER_SECOND;

  private long entries = BURST;
  private long refilled;
  private boolean started;

  /** Begins a round of deliveries at this time, of any monotonic clock in nanoseconds. */
  void refill(long now) {
    if (!started) {
      started = true;
      refilled = now;
    }
    long earned = (now - refilled) / NANOS_PER_ENTRY;
    if (earned > 0) {
      entries = Math.min(BURST, entries + earned);
      refilled += earned * NANOS_PER_ENTRY;
    }
  }

  /** Whether the next entry should hold several lines. */
  boolean exhausted() {
    return entries <= 0;
  }

  /** Counts an entry. */
  void spend() {
    entries = Math.max(0, entries - 1);
  }

  /** journald is behind: lines share entries until there is a new budget. */
  void exhaust() {
    entries = 0;
  }
}
