package io.stagelet.journal;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The way to journald for this program's own messages: each entry is one datagram, or a sealed file
 * in memory where it is too large for one.
 *
 * <p>Nothing is lost while journald restarts: its socket is held by systemd, and what was sent
 * waits in it. While journald is stopped or behind, {@link #send} waits; while its socket is being
 * replaced, it connects again.
 *
 * <p>Safe for any thread; entries of one thread keep their order.
 */
public final class Journal implements AutoCloseable {
  /** Where journald listens. */
  public static final Path SOCKET = Path.of("/run/systemd/journal/socket");

  private static final Duration FIRST_PAUSE = Duration.ofMillis(1);
  private static final Duration LONGEST_PAUSE = Duration.ofMillis(50);
  private static final int USUAL_ENTRY = 16 << 10;

  private final Path path;
  private final JournalSocket socket;

  /** Guards the socket and the buffer. */
  private final ReentrantLock lock = new ReentrantLock(true);

  private final ByteBuffer buffer = ByteBuffer.allocateDirect(USUAL_ENTRY);
  private volatile boolean closed;

  private Journal(Path path) {
    this.path = path;
    this.socket = new JournalSocket(path);
  }

  /**
   * Connects to journald.
   *
   * @param socket usually {@link #SOCKET}
   * @throws StageletException {@code UNAVAILABLE} when nobody listens there
   */
  public static Journal open(Path socket) {
    Journal journal = new Journal(socket);
    if (!journal.socket.connect()) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "could not connect to the journal at %s: %s; is systemd-journald.socket active?"
              .formatted(socket, journal.socket.lastFailure()));
    }
    return journal;
  }

  /**
   * Sends an entry, and waits for as long as journald takes none.
   *
   * @throws StageletException {@code CANCELLED} when the thread was interrupted while it waited,
   *     {@code FAILED_PRECONDITION} when this was closed
   */
  public void send(JournalEntry entry) {
    byte[] encoded = entry.encoded();
    Duration pause = FIRST_PAUSE;
    // Waiting is sleeping between tries: a thread that waits inside the kernel would hold the
    // carrier of a virtual thread, and a stopped journald would so stop the whole server.
    while (!trySend(encoded)) {
      try {
        Thread.sleep(pause);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        throw new StageletException(
            ErrorCode.CANCELLED,
            "an entry was not sent to the journal at %s: its sender went away while journald took none"
                .formatted(path),
            interrupted);
      }
      pause =
          pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0
              ? pause.multipliedBy(2)
              : LONGEST_PAUSE;
    }
  }

  private boolean trySend(byte[] encoded) {
    lock.lock();
    try {
      if (closed) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION, "the connection to the journal is closed");
      }
      ByteBuffer direct =
          encoded.length <= buffer.capacity()
              ? buffer.clear()
              : ByteBuffer.allocateDirect(encoded.length);
      direct.put(encoded).flip();
      return socket.send(direct) == JournalSocket.Outcome.SENT;
    } finally {
      lock.unlock();
    }
  }

  /** Where journald listens. */
  Path path() {
    return path;
  }

  /** Closes the connection. What was sent is with journald; who waits in {@link #send} fails. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      socket.close();
    } finally {
      lock.unlock();
    }
  }
}
