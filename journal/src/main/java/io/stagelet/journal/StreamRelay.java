package io.stagelet.journal;

import io.stagelet.journal.Spool.Progress;
import io.stagelet.journal.Steps.Step;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Errno;
import io.stagelet.linux.StageletException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * One output of a container: FIFO → spool → kubelet's file and the journal. Each call of {@link
 * #pump} reads once and delivers all that can be delivered; the order of its steps is what makes a
 * kill harmless, see {@link Spool}.
 *
 * <p>A receiver that takes nothing holds the other up only when the spool is full. Then the FIFO is
 * not read any more, it fills, and the container waits in its {@code write(2)}.
 *
 * <p>For the relay's thread, and before for the one that makes it.
 */
final class StreamRelay {
  /** {@code /proc/sys/fs/pipe-max-size} as it is on every kernel that was not told otherwise. */
  private static final int LARGEST_FIFO = 1 << 20;

  private final StreamKind kind;
  private final boolean terminal;
  private final int fifo;
  private final Spool spool;
  private final @Nullable LogFile log;
  private final CriLines criLines;
  private final StreamEntries entries;
  private final Workbench bench;
  private final OutputPolicy policy;

  /** The time of the last read, which the lines get. */
  private long stampSecond;

  private int stampNanos;

  /** All that is undelivered is the begin of a piece whose end was not read yet. */
  private boolean awaitsMore;

  /** Entries sent by the present {@link #pump}. */
  private int sent;

  private boolean unread = true;
  private boolean hungUp;
  private boolean finishing;
  private boolean abandoned;

  /** How much is still read after {@link #abandon}, however fast a writer goes on. */
  private int lastBytes;

  private boolean ended;
  private boolean spoolStuck;
  private boolean journalStuck;
  private @Nullable String stuckReason;

  /** What was dropped since a receiver got stuck, and not told yet. */
  private long droppedForJournal;

  private long droppedForFile;

  /** Who hears what is read; for the relay's thread. */
  private final List<OutputTap> taps = new ArrayList<>();

  /**
   * Takes over the descriptor and the spool.
   *
   * @param terminal whether the descriptor is a terminal's master
   */
  StreamRelay(
      StreamKind kind,
      boolean terminal,
      int fifo,
      Spool spool,
      @Nullable LogFile log,
      StreamEntries entries,
      Workbench bench,
      OutputPolicy policy) {
    this.kind = kind;
    this.terminal = terminal;
    this.policy = policy;
    this.fifo = fifo;
    this.spool = spool;
    this.log = log;
    this.entries = entries;
    this.bench = bench;
    this.criLines = new CriLines(kind.label());
    stamp(bench.clock().instant());
  }

  List<OutputTap> taps() {
    return taps;
  }

  private void tell(int count) {
    if (taps.isEmpty()) {
      return;
    }
    spool.load(spool.end() - count, spool.end(), bench.output());
    ByteBuffer news = bench.output().flip().asReadOnlyBuffer();
    for (OutputTap tap : List.copyOf(taps)) {
      tap.output(kind == StreamKind.STDERR, news.duplicate());
    }
  }

  StreamKind kind() {
    return kind;
  }

  int fifo() {
    return fifo;
  }

  /** There may be something in the FIFO, or its last writer went. */
  void readable() {
    unread = true;
  }

  /**
   * The container has ended: what has no line feed is delivered too, once all writers have gone.
   */
  void finish() {
    finishing = true;
    unread = true;
  }

  /** Writers that are still there are not waited for any more: what is in the FIFO is read. */
  void abandon() {
    abandoned = true;
    lastBytes = LARGEST_FIFO;
    unread = true;
  }

  /** Whether all that will come was read: all writers have gone, or they were abandoned. */
  boolean ended() {
    return ended;
  }

  /** Whether the last writer went before the output ended. */
  boolean hungUp() {
    return hungUp;
  }

  /** Whether all is read and everywhere. */
  boolean finished() {
    Progress progress = spool.progress();
    return ended && progress.fileDone == spool.end() && progress.journalDone == spool.end();
  }

  /** Whether another {@link #pump} has something to do at once. */
  boolean ready() {
    return unread && !ended && !spoolStuck && (room() > 0 || !stuck());
  }

  /** Whether the journal took no entry. */
  boolean journalStuck() {
    return journalStuck;
  }

  /** Why kubelet's file or the spool takes nothing, if so. */
  Optional<String> stuckReason() {
    return Optional.ofNullable(stuckReason);
  }

  private boolean stuck() {
    return journalStuck || stuckReason != null;
  }

  /**
   * Reads once, and delivers.
   *
   * @return how many entries the journal took
   */
  int pump() {
    sent = 0;
    boolean wasStuck = stuck();
    stuckReason = null;
    spoolStuck = false;
    journalStuck = false;
    int count = ended ? 0 : read();
    if (finishing && !unread && (hungUp || abandoned)) {
      ended = true;
    }
    if (!nothingNew(count)) {
      deliver();
    }
    if (policy == OutputPolicy.DROP && stuck() && room() <= 0) {
      drop();
    }
    if (stuck() && !wasStuck) {
      bench.tally().stalls.increment();
    }
    bench.tally().stalledStreams.add((stuck() ? 1 : 0) - (wasStuck ? 1 : 0));
    return sent;
  }

  /** What was dropped for the journal, once it takes entries again; told once. */
  long droppedForJournal() {
    if (journalStuck) {
      return 0;
    }
    long dropped = droppedForJournal;
    droppedForJournal = 0;
    return dropped;
  }

  /** What was dropped for kubelet's file, once it takes lines again; told once. */
  long droppedForFile() {
    if (stuckReason != null) {
      return 0;
    }
    long dropped = droppedForFile;
    droppedForFile = 0;
    return dropped;
  }

  /** Drops for a receiver that takes nothing what would hold the container up. */
  private void drop() {
    Progress progress = spool.progress();
    if (spool.end() - progress.journalDone >= Workbench.CAPACITY) {
      long kept = afterWholeLines(progress.journalDone);
      droppedForJournal += kept - progress.journalDone;
      bench.tally().droppedBytes.add(kept - progress.journalDone);
      progress.journalDone = kept;
      progress.journalEnd = kept;
    }
    if (spool.end() - progress.fileDone >= Workbench.CAPACITY) {
      long kept = afterWholeLines(progress.fileDone);
      droppedForFile += kept - progress.fileDone;
      bench.tally().droppedBytes.add(kept - progress.fileDone);
      progress.fileDone = kept;
      progress.fileEnd = kept;
    }
    spool.record();
    spool.release(Math.min(progress.fileDone, progress.journalDone));
  }

  /** Where the last line begins that is not whole yet; the end, where it would be all there is. */
  private long afterWholeLines(long from) {
    spool.load(from, spool.end(), bench.output());
    int whole = Lines.lastLineFeed(bench.output(), (int) (spool.end() - from)) + 1;
    return whole == 0 ? spool.end() : from + whole;
  }

  private int room() {
    Progress progress = spool.progress();
    long undelivered = spool.end() - Math.min(progress.fileDone, progress.journalDone);
    return (int) (Workbench.CAPACITY - undelivered);
  }

  private int read() {
    int room = room();
    if (!unread || room <= 0) {
      return 0;
    }
    int count =
        terminal ? spool.readFromTerminal(fifo, room, bench.output()) : spool.readFrom(fifo, room);
    if (count > 0) {
      tell(count);
      bench.steps().done(Step.READ);
      bench.tally().bytesRead.add(count);
      stamp(bench.clock().instant());
      hungUp = false;
      // fewer than asked for: the FIFO is empty, and what comes next is an event of its own
      unread = count == room || finishing;
      if (abandoned) {
        lastBytes -= count;
        unread = lastBytes > 0;
      }
      return count;
    }
    if (count == 0 || count == -Errno.EAGAIN || (terminal && count == -Errno.EIO)) {
      hungUp = count != -Errno.EAGAIN;
      unread = false;
      return 0;
    }
    spoolStuck = true;
    stuckReason = "the spool takes no more output (error number %d)".formatted(-count);
    return 0;
  }

  private void stamp(Instant now) {
    stampSecond = now.getEpochSecond();
    stampNanos = now.getNano();
  }

  /** Whether what was read adds to a piece and does not end it: 1-byte writes come so. */
  private boolean nothingNew(int count) {
    if (ended || !awaitsMore) {
      return false;
    }
    if (count == 0) {
      return true;
    }
    Progress progress = spool.progress();
    long longest = spool.end() - progress.journalDone;
    if (longest > StreamEntries.LONGEST_MESSAGE
        || (log != null && spool.end() - progress.fileDone > CriLines.LONGEST_PIECE)) {
      return false;
    }
    spool.load(spool.end() - count, spool.end(), bench.output());
    return Lines.lineFeed(bench.output(), 0, count) < 0;
  }

  private void deliver() {
    Progress progress = spool.progress();
    if (log == null) {
      progress.fileDone = spool.end();
      progress.fileEnd = spool.end();
    }
    long base = Math.min(progress.fileDone, progress.journalDone);
    long fileBefore = progress.fileDone;
    long journalBefore = progress.journalDone;
    int limit = (int) (spool.end() - base);
    spool.load(base, spool.end(), bench.output());
    try {
      if (log != null) {
        deliverToFile(log, base, limit);
      }
      deliverToJournal(base, limit);
    } catch (StageletException failure) {
      stuckReason = StageletException.reason(failure);
    }
    if (progress.fileDone != fileBefore || progress.journalDone != journalBefore) {
      spool.record();
      bench.steps().done(Step.RECORDED);
      spool.release(Math.min(progress.fileDone, progress.journalDone));
      bench.steps().done(Step.RELEASED);
    }
    awaitsMore = !stuck();
  }

  private void deliverToFile(LogFile file, long base, int limit) {
    Progress progress = spool.progress();
    ByteBuffer output = bench.output();
    ByteBuffer lines = bench.lines();
    while (true) {
      int from = (int) (progress.fileDone - base);
      criLines.stamp(stampSecond, stampNanos);
      int next = criLines.write(output, from, limit, ended, lines.clear());
      if (next == from) {
        return;
      }
      DescriptorCalls.Status status;
      try {
        status = file.prepare();
      } catch (StageletException failure) {
        stuckReason = StageletException.reason(failure);
        return;
      }
      progress.fileEnd = base + next;
      progress.fileDevice = status.device();
      progress.fileInode = status.inode();
      progress.fileLength = status.size();
      progress.stampSecond = stampSecond;
      progress.stampNanos = stampNanos;
      spool.record();
      bench.steps().done(Step.FILE_ANNOUNCED);
      int result = file.append(lines.flip());
      bench.steps().done(Step.FILE_APPENDED);
      bench.tally().logBytes.add(lines.position());
      settleFile(file, base, lines.position());
      if (result < 0) {
        stuckReason =
            "could not append to the log file %s: error number %d (%s)"
                .formatted(file.path(), -result, nameOf(-result));
        return;
      }
    }
  }

  /**
   * Makes the file end with a whole line after an append of which {@code written} bytes are in it,
   * and the progress say so.
   */
  private void settleFile(LogFile file, long base, int written) {
    Progress progress = spool.progress();
    ByteBuffer lines = bench.lines();
    if (written < lines.limit()) {
      int whole = Lines.lastLineFeed(lines, written) + 1;
      if (whole < written) {
        file.truncate(progress.fileLength + whole);
      }
      // written anew into as much room as is in the file: stops at the same line
      int from = (int) (progress.fileDone - base);
      int to = (int) (progress.fileEnd - base);
      progress.fileEnd =
          base + criLines.write(bench.output(), from, to, true, lines.clear().limit(whole));
    }
    progress.fileDone = progress.fileEnd;
  }

  private void deliverToJournal(long base, int limit) {
    bench.budget().refill(System.nanoTime(), bench.socket().onTheWay());
    Progress progress = spool.progress();
    ByteBuffer output = bench.output();
    ByteBuffer entry = bench.entry();
    while (true) {
      int from = (int) (progress.journalDone - base);
      if (from == limit) {
        return;
      }
      boolean together = bench.budget().exhausted();
      if (!entries.next(output, from, limit, ended, together)) {
        return;
      }
      int sequence = (progress.sequence + 1) % StreamEntries.SEQUENCES;
      entries.write(output, sequence, entry.clear());
      progress.journalEnd = base + entries.end();
      progress.sequence = sequence;
      spool.record();
      bench.steps().done(Step.ENTRY_ANNOUNCED);
      if (bench.socket().send(entry.flip()) != JournalSocket.Outcome.SENT) {
        progress.journalEnd = progress.journalDone;
        progress.sequence = (sequence + StreamEntries.SEQUENCES - 1) % StreamEntries.SEQUENCES;
        spool.record();
        bench.budget().exhaust();
        journalStuck = true;
        return;
      }
      bench.steps().done(Step.ENTRY_SENT);
      progress.journalDone = progress.journalEnd;
      sent++;
      bench.budget().spend();
      bench.tally().entries.increment();
      bench.tally().lines.add(entries.lines());
    }
  }

  /**
   * Whether the last relay was stopped between announcing an entry and knowing that it was sent.
   */
  boolean entryInDoubt() {
    return spool.progress().journalEnd != spool.progress().journalDone;
  }

  /**
   * Decides about the entry in doubt.
   *
   * @param last the number of the stream's last entry in the journal
   */
  void settleEntry(OptionalInt last) {
    Progress progress = spool.progress();
    if (last.isPresent() && last.getAsInt() == progress.sequence) {
      progress.journalDone = progress.journalEnd;
    } else {
      progress.journalEnd = progress.journalDone;
      progress.sequence =
          (progress.sequence + StreamEntries.SEQUENCES - 1) % StreamEntries.SEQUENCES;
    }
    spool.record();
  }

  /**
   * Whether the last relay was stopped between announcing an append and knowing that it is done.
   */
  boolean appendInDoubt() {
    return spool.progress().fileEnd != spool.progress().fileDone;
  }

  /**
   * Decides about the append in doubt by the file's length, and makes the file end with a whole
   * line. To be called before any stream of the container is pumped.
   *
   * @throws StageletException when the file could not be looked at; to be tried again
   */
  void settleAppend() {
    Progress progress = spool.progress();
    LogFile file = log;
    if (file == null || !file.openThat(progress.fileDevice, progress.fileInode)) {
      // the file is gone, and what was in it: its lines are written to the new one
      progress.fileEnd = progress.fileDone;
      spool.record();
      return;
    }
    long base = progress.fileDone;
    spool.load(base, progress.fileEnd, bench.output());
    criLines.stamp(progress.stampSecond, progress.stampNanos);
    ByteBuffer lines = bench.lines().clear();
    criLines.write(bench.output(), 0, (int) (progress.fileEnd - base), true, lines);
    lines.flip();
    long grown = file.prepare().size() - progress.fileLength;
    settleFile(file, base, Math.clamp(grown, 0, lines.limit()));
    spool.record();
    // what follows goes to the file that has the name now
    file.close();
  }

  /** Closes what this stream holds; its spool stays. */
  void close(DescriptorCalls descriptors) {
    close(descriptors, false);
  }

  /** Closes what this stream holds, and deletes its spool. */
  void delete(DescriptorCalls descriptors) {
    close(descriptors, true);
  }

  private void close(DescriptorCalls descriptors, boolean delete) {
    if (stuck()) {
      bench.tally().stalledStreams.decrement();
    }
    try {
      descriptors.close(fifo);
    } finally {
      if (delete) {
        spool.delete();
      } else {
        spool.close();
      }
    }
  }

  private static String nameOf(int errno) {
    return switch (errno) {
      case Errno.ENOSPC -> "no space left";
      case Errno.EDQUOT -> "quota used up";
      case Errno.EROFS -> "read-only file system";
      default -> "see errno(3)";
    };
  }
}
