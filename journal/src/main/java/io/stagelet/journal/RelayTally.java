package io.stagelet.journal;

import java.util.concurrent.atomic.LongAdder;

/** Counts what the relay does; counted by its thread, read by any. */
final class RelayTally {
  final LongAdder bytesRead = new LongAdder();
  final LongAdder lines = new LongAdder();
  final LongAdder entries = new LongAdder();
  final LongAdder logBytes = new LongAdder();
  final LongAdder stalls = new LongAdder();
  final LongAdder stalledStreams = new LongAdder();
  final LongAdder droppedBytes = new LongAdder();

  RelayCounters counters() {
    return new RelayCounters(
        bytesRead.sum(),
        lines.sum(),
        entries.sum(),
        logBytes.sum(),
        stalls.sum(),
        (int) stalledStreams.sum(),
        droppedBytes.sum());
  }
}
