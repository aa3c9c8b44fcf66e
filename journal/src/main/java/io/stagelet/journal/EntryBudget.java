package io.stagelet.journal;

/**
 * Decides when lines go to the journal one by one, and when several share an entry: journald takes
 * some 25,000 to 50,000 entries a second. Bursts of 2,000 lines, and 10,000 lines a second for as
 * long as they come, get an entry each; what comes beyond that, or while journald is behind, shares
 * entries. journald is behind from the moment its queue was full until it has nearly emptied it: so
 * a slow machine finds its own pace.
 */
final class EntryBudget {
  private static final long BURST = 2_000;
  private static final long PER_SECOND = 10_000;
  private static final int NEARLY_EMPTY = 64 << 10;
  private static final long NANOS_PER_ENTRY = 1_000_000_000L / PER_SECOND;

  private long entries = BURST;
  private long refilled;
  private boolean started;
  private boolean behind;

  /**
   * Begins a round of deliveries.
   *
   * @param now of any monotonic clock, in nanoseconds
   * @param onTheWay how many bytes journald has not taken yet
   */
  void refill(long now, int onTheWay) {
    if (!started || behind) {
      started = true;
      refilled = now;
      behind &= onTheWay > NEARLY_EMPTY;
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

  /** journald's queue is full: lines share entries until it has caught up. */
  void exhaust() {
    behind = true;
    entries = 0;
  }
}
