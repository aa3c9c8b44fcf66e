package io.stagelet.stage0;

import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.SocketTimeoutException;

/**
 * A response's body. Bytes go from the socket to the reader's own buffer: no other thread and no
 * buffer is in between. A read that gets nothing ends after the time the connection was made with.
 *
 * <p>For one thread, a virtual one: interrupting it ends a read at once.
 */
final class BodyReader implements AutoCloseable {
  private static final int PIECE = 16 << 10;

  /** Nothing came for too long. */
  static final class SilenceException extends IOException {
    private static final long serialVersionUID = 1L;

    SilenceException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private final HttpURLConnection connection;
  private final InputStream stream;

  /** How many bytes are still to come; negative where the server does not say. */
  private long remaining;

  private boolean ended;

  /**
   * The body of an answer.
   *
   * @param length in bytes; negative where the server does not say
   */
  BodyReader(HttpURLConnection connection, InputStream stream, long length) {
    this.connection = connection;
    this.stream = stream;
    this.remaining = length;
  }

  /**
   * Reads what has come, at least one byte; -1 at the body's end.
   *
   * @throws IOException when the connection broke, or nothing came for too long
   */
  int read(byte[] target, int offset, int length) throws IOException, InterruptedException {
    if (ended || remaining == 0) {
      ended = true;
      return -1;
    }
    int count;
    try {
      count = stream.read(target, offset, length);
    } catch (SocketTimeoutException silent) {
      throw new SilenceException(
          "the registry sent nothing for %d s".formatted(connection.getReadTimeout() / 1000),
          silent);
    } catch (IOException broken) {
      interruption(broken);
      throw new IOException("the connection broke: " + StageletException.reason(broken), broken);
    }
    if (count < 0) {
      ended = true;
      if (remaining > 0) {
        throw new IOException("the connection was closed early");
      }
      return -1;
    }
    remaining -= remaining < 0 ? 0 : count;
    return count;
  }

  /** Whether more comes; waits where only the next byte can tell. */
  boolean hasMore() throws IOException, InterruptedException {
    return !ended && (remaining > 0 || (remaining < 0 && read(new byte[1], 0, 1) > 0));
  }

  /** All of the body, or its first {@code limit} bytes. */
  byte[] readAll(int limit) throws IOException, InterruptedException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    byte[] piece = new byte[Math.min(PIECE, limit)];
    while (bytes.size() < limit) {
      int count = read(piece, 0, Math.min(piece.length, limit - bytes.size()));
      if (count < 0) {
        break;
      }
      bytes.write(piece, 0, count);
    }
    return bytes.toByteArray();
  }

  /** A socket is closed under a virtual thread that is interrupted while it waits for it. */
  static void interruption(IOException failure) throws InterruptedException {
    if (Thread.interrupted()) {
      InterruptedException interrupted = new InterruptedException("interrupted by the caller");
      interrupted.initCause(failure);
      throw interrupted;
    }
  }

  /** Ends the transfer; what has not come yet does not come. */
  @Override
  public void close() {
    if (ended || remaining == 0) {
      // the connection is kept for the next request
      try {
        stream.close();
        return;
      } catch (IOException broken) {
        // nothing is kept then
      }
    }
    connection.disconnect();
  }
}
