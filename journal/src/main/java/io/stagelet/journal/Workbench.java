package io.stagelet.journal;

import java.nio.ByteBuffer;
import java.time.Clock;

/**
 * What all streams of one relay use in turn; for the relay's thread.
 *
 * @param output holds a stream's undelivered output while it is delivered
 * @param lines holds lines on their way to kubelet's file
 * @param entry holds an entry on its way to the journal
 */
record Workbench(
    ByteBuffer output,
    ByteBuffer lines,
    ByteBuffer entry,
    JournalSocket socket,
    EntryBudget budget,
    RelayTally tally,
    Clock clock,
    Steps steps) {
  /** How much output of one stream may be undelivered; then its FIFO is read no more. */
  static final int CAPACITY = 256 << 10;

  /** How many bytes of lines are appended at once. */
  private static final int LINES = 256 << 10;

  static Workbench at(JournalSocket socket, Clock clock, Steps steps) {
    return new Workbench(
        Lines.buffer(CAPACITY),
        Lines.buffer(LINES),
        Lines.buffer(StreamEntries.LONGEST_ENTRY),
        socket,
        new EntryBudget(),
        new RelayTally(),
        clock,
        steps);
  }
}
