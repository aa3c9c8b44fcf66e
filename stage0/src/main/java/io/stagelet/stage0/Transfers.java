package io.stagelet.stage0;

import java.util.concurrent.Semaphore;

/**
 * What all transfers of blobs have in common.
 *
 * @param settings how many ranges, and how large
 * @param counters where bytes and breaks are counted
 * @param ranged held by the one layer that comes in ranges: they are kept in memory
 */
record Transfers(RegistrySettings settings, PullCounters counters, Semaphore ranged) {
  /** With nothing under way. */
  static Transfers of(RegistrySettings settings, PullCounters counters) {
    return new Transfers(settings, counters, new Semaphore(1));
  }
}
