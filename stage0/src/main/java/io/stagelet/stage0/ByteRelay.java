package io.stagelet.stage0;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.security.MessageDigest;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Hands bytes from one thread to another, in large pieces and with a bound, so that both work at
 * the same time.
 *
 * <pre>
 *   writer:  buffer() → fill it → send(buffer, length) … end() or fail(cause)
 *   reader:  an InputStream;  closing it makes the writer's next call fail
 * </pre>
 *
 * <p>Every buffer given out comes back through {@link #send}, or the relay is over.
 */
final class ByteRelay {
  private static final int PIECE = 128 << 10;
  private static final int PIECES = 8;

  private record Piece(byte[] bytes, int length, @Nullable Throwable failure) {}

  private static final byte[] NOTHING = {};
  private static final Piece END = new Piece(NOTHING, -1, null);

  private final BlockingQueue<byte[]> empty = new ArrayBlockingQueue<>(PIECES + 1);
  // one more for the end
  private final BlockingQueue<Piece> full = new ArrayBlockingQueue<>(PIECES + 1);
  private volatile boolean abandoned;
  private int made;

  /**
   * An empty buffer; waits until the reader is done with one. For one writing thread.
   *
   * @throws IOException when the reader has gone
   */
  byte[] buffer() throws IOException, InterruptedException {
    byte[] buffer = empty.poll();
    if (buffer == null && made < PIECES) {
      // only as many as are needed: most layers are small
      made++;
      buffer = new byte[PIECE];
    }
    if (buffer == null) {
      buffer = empty.take();
    }
    if (abandoned) {
      // for whoever asks again
      empty.add(buffer);
      throw new IOException("the reader has gone");
    }
    return buffer;
  }

  /** Hands over the first {@code length} bytes of a buffer. */
  void send(byte[] buffer, int length) {
    full.add(new Piece(buffer, length, null));
  }

  /** All was sent. */
  void end() {
    full.add(END);
  }

  /** No more comes, and this is why; the reader gets it after what was sent. */
  void fail(Throwable cause) {
    full.add(new Piece(NOTHING, -1, cause));
  }

  /**
   * The reader's side.
   *
   * @param digest takes in all that the reader gets
   */
  InputStream reader(MessageDigest digest) {
    return new Reader(digest);
  }

  /** The reader's side. */
  InputStream reader() {
    return new Reader(null);
  }

  private final class Reader extends InputStream {
    private final @Nullable MessageDigest digest;
    private Piece current = new Piece(NOTHING, 0, null);
    private int position;

    Reader(@Nullable MessageDigest digest) {
      this.digest = digest;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
      if (length == 0) {
        return 0;
      }
      while (position == current.length()) {
        advance();
      }
      if (current.length() < 0) {
        return ended();
      }
      int count = Math.min(length, current.length() - position);
      System.arraycopy(current.bytes(), position, target, offset, count);
      position += count;
      return count;
    }

    private void advance() throws IOException {
      if (current.bytes().length > 0) {
        empty.add(current.bytes());
      }
      // if the wait is interrupted, nothing of the old piece is left to give
      current = new Piece(NOTHING, 0, null);
      position = 0;
      try {
        current = full.take();
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        throw (IOException)
            new InterruptedIOException("interrupted while waiting for bytes")
                .initCause(interrupted);
      }
      if (digest != null && current.length() > 0) {
        digest.update(current.bytes(), 0, current.length());
      }
    }

    private int ended() throws IOException {
      if (current.failure() != null) {
        throw new IOException("the bytes' source failed", current.failure());
      }
      return -1;
    }

    @Override
    public int available() {
      return Math.max(0, current.length() - position);
    }

    @Override
    public void close() {
      abandoned = true;
      if (!empty.offer(new byte[1])) {
        // no writer waits: there are buffers
        return;
      }
    }
  }
}
