package io.stagelet.journal;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Errno;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What was read from one FIFO and is not everywhere yet, and how far each receiver is; a file on a
 * tmpfs, so that it survives this program and not the machine.
 *
 * <pre>
 *   page 0              from 4096 on: the output, byte p of the stream at 4096 + p
 *   ┌────────────────┬──────────────────────┬────────────────────────┐
 *   │ progress       │ (hole: delivered)    │ to be delivered        │ end of file
 *   └────────────────┴──────────────────────┴────────────────────────┘
 * </pre>
 *
 * <p>Why no byte is lost or doubled when this program is killed at any instruction:
 *
 * <ul>
 *   <li>Bytes come from the FIFO by {@code splice(2)}: one system call takes them out of the FIFO,
 *       puts them into this file and moves its end. A killed process finishes that call. So the
 *       file's length says how much was read, and nothing has to be written down for it.
 *   <li>The progress is written by one {@code pwrite(2)} within a page: whole or not at all.
 *   <li>Before lines are appended to kubelet's file, the progress says which bytes these are, their
 *       timestamp, the file's identity and its length. Afterwards the file's length tells how much
 *       of them is in it: the same bytes make the same lines ({@link CriLines}).
 *   <li>Before an entry is sent, the progress says which bytes it holds and its number, one of ten
 *       in turn. When in doubt, the number in the stream's last entry in the journal tells whether
 *       this one came ({@link SentEntries}).
 * </ul>
 *
 * <p>For one thread at a time. Made by {@link #create} or {@link #open}, released by {@link #close}
 * (the file stays) or {@link #delete}.
 */
final class Spool implements AutoCloseable {
  /** How far the receivers are; positions count the stream's bytes from its begin. */
  static final class Progress {
    /** All before this is in kubelet's file. */
    long fileDone;

    /** Where the append that was begun ends; equal to {@link #fileDone} where none was. */
    long fileEnd;

    /** The file that it was begun on: device, inode, and its length before. */
    long fileDevice;

    long fileInode;
    long fileLength;

    /** The timestamp of that append. */
    long stampSecond;

    int stampNanos;

    /** All before this is in the journal. */
    long journalDone;

    /** Where the entry that was begun ends; equal to {@link #journalDone} where none was. */
    long journalEnd;

    /** The number of the entry begun last. */
    int sequence;
  }

  private static final long MAGIC = 0x5354474c5350_0001L;
  private static final int DATA = 4096;
  private static final int HEADER_BYTES = 11 * Long.BYTES;

  /** Delivered output is given back to the tmpfs in steps of at least this. */
  private static final int RELEASE_STEP = 64 << 10;

  private final Path path;
  private final DescriptorCalls descriptors;
  private final int file;
  private final ByteBuffer header = ByteBuffer.allocateDirect(HEADER_BYTES);
  private final Progress progress = new Progress();
  private long end;
  private long released;

  private Spool(Path path, DescriptorCalls descriptors, int file) {
    this.path = path;
    this.descriptors = descriptors;
    this.file = file;
  }

  /** An empty spool; one that was there is replaced. */
  static Spool create(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not replace the spool %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
    return open(path);
  }

  /** The spool as it was left, or an empty one where there is none. */
  static Spool open(Path path) {
    DescriptorCalls descriptors = new DescriptorCalls();
    int file = descriptors.open(path, DescriptorCalls.O_RDWR | DescriptorCalls.O_CREAT, 0600);
    try {
      Spool spool = new Spool(path, descriptors, file);
      spool.begin();
      return spool;
    } catch (RuntimeException failure) {
      descriptors.close(file);
      throw failure;
    }
  }

  private void begin() {
    long length = descriptors.status(file).size();
    header.clear();
    int count = length < DATA ? 0 : descriptors.readAt(file, header, 0);
    if (count == HEADER_BYTES && header.getLong(0) == MAGIC) {
      end = length - DATA;
      loadProgress();
      released = Math.min(progress.fileDone, progress.journalDone) / DATA * DATA;
    } else {
      // nothing was read into it: the header is written before
      descriptors.truncate(file, 0);
      descriptors.truncate(file, DATA);
      record();
    }
  }

  private void loadProgress() {
    header.position(Long.BYTES);
    progress.fileDone = header.getLong();
    progress.fileEnd = header.getLong();
    progress.fileDevice = header.getLong();
    progress.fileInode = header.getLong();
    progress.fileLength = header.getLong();
    progress.stampSecond = header.getLong();
    progress.stampNanos = (int) header.getLong();
    progress.journalDone = header.getLong();
    progress.journalEnd = header.getLong();
    progress.sequence = (int) header.getLong();
  }

  /** How far the receivers are; {@link #record} makes changes last. */
  Progress progress() {
    return progress;
  }

  /** Writes the progress down. */
  void record() {
    header
        .clear()
        .putLong(MAGIC)
        .putLong(progress.fileDone)
        .putLong(progress.fileEnd)
        .putLong(progress.fileDevice)
        .putLong(progress.fileInode)
        .putLong(progress.fileLength)
        .putLong(progress.stampSecond)
        .putLong(progress.stampNanos)
        .putLong(progress.journalDone)
        .putLong(progress.journalEnd)
        .putLong(progress.sequence)
        .flip();
    int count = descriptors.writeAt(file, header, 0);
    if (count != HEADER_BYTES) {
      throw failed("write the progress into", -count);
    }
  }

  /** How many bytes were ever read from the FIFO. */
  long end() {
    return end;
  }

  /**
   * Reads from the FIFO.
   *
   * @return the number of bytes, 0 when nobody has the FIFO open for writing and it is empty, or
   *     {@code -errno}
   */
  int readFrom(int fifo, int atMost) {
    int count = descriptors.splice(fifo, file, DATA + end, atMost);
    if (count > 0) {
      end += count;
    }
    return count;
  }

  /**
   * Reads from a terminal, which cannot be spliced.
   *
   * @param room is overwritten
   * @return the number of bytes, or {@code -errno}: {@code EIO} when no program has it open
   */
  int readFromTerminal(int master, int atMost, ByteBuffer room) {
    room.clear().limit(Math.min(atMost, room.capacity()));
    int count = descriptors.read(master, room);
    if (count <= 0) {
      return count;
    }
    room.flip();
    int written = descriptors.writeAt(file, room, DATA + end);
    if (written < count) {
      // on a tmpfs that is full: the rest is lost, as the terminal has no way to take it back
      return written < 0 ? written : advance(written);
    }
    return advance(count);
  }

  private int advance(int count) {
    end += count;
    return count;
  }

  /** Reads output from position {@code from} to {@code to} into the begin of a buffer. */
  void load(long from, long to, ByteBuffer into) {
    into.clear().limit(Math.toIntExact(to - from));
    while (into.hasRemaining()) {
      int count = descriptors.readAt(file, into, DATA + from + into.position());
      if (count <= 0) {
        throw failed("read", -count);
      }
    }
  }

  /** Gives back the room of what lies before {@code position}; it may keep some. */
  void release(long position) {
    long whole = position / DATA * DATA;
    if (whole - released >= RELEASE_STEP) {
      descriptors.punchHole(file, DATA + released, whole - released);
      released = whole;
    }
  }

  /** Closes the file, which stays for the next to {@link #open}. */
  @Override
  public void close() {
    descriptors.close(file);
  }

  /** Closes the file and deletes it. */
  void delete() {
    try {
      Files.deleteIfExists(path);
    } catch (IOException failure) {
      throw new UncheckedIOException("could not delete the spool " + path, failure);
    } finally {
      close();
    }
  }

  private StageletException failed(String verb, int errno) {
    return new StageletException(
        errno == Errno.ENOSPC ? ErrorCode.RESOURCE_EXHAUSTED : ErrorCode.INTERNAL,
        "could not %s the spool %s: error number %d".formatted(verb, path, errno));
  }
}
