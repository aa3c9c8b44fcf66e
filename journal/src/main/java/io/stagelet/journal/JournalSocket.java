package io.stagelet.journal;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Errno;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MemoryFile;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import jnr.unixsocket.UnixDatagramChannel;
import org.jspecify.annotations.Nullable;

/**
 * A socket to journald that never waits. It connects again by itself after journald's socket was
 * replaced.
 *
 * <p>jnr-unixsocket makes and owns the socket. Its {@code connect} only remembers the address
 * though, and its {@code write} copies each datagram into a new array; so the socket is connected,
 * and written to, by its descriptor. Only a connected socket can be waited for until its receiver
 * has room.
 *
 * <p>For one thread at a time.
 */
final class JournalSocket implements AutoCloseable {
  /** What happened to a datagram. */
  enum Outcome {
    /** It is in journald's queue; it stays there when this process or journald ends. */
    SENT,
    /** journald's queue is full; the same datagram may be sent later. */
    FULL,
    /** Nobody holds journald's socket; the same datagram may be sent later. */
    GONE
  }

  /** How much may wait in journald's queue. The same as in libsystemd. */
  private static final int SEND_BUFFER = 8 << 20;

  private final Path path;
  private final DescriptorCalls descriptors = new DescriptorCalls();
  private @Nullable UnixDatagramChannel channel;
  private int descriptor = -1;
  private int connections;
  private String lastFailure = "";

  JournalSocket(Path path) {
    this.path = path;
  }

  /**
   * Connects, where it is not connected.
   *
   * @return whether it is connected now; if not, {@link #lastFailure} tells why
   */
  boolean connect() {
    if (channel != null) {
      return true;
    }
    try {
      UnixDatagramChannel opened = UnixDatagramChannel.open();
      try {
        opened.configureBlocking(false);
        descriptors.connect(opened.getFD(), path);
        growSendBuffer(opened.getFD());
      } catch (IOException | RuntimeException failure) {
        opened.close();
        throw failure;
      }
      channel = opened;
      descriptor = opened.getFD();
      connections++;
      return true;
    } catch (IOException | StageletException failure) {
      lastFailure = StageletException.reason(failure);
      return false;
    }
  }

  /** Why the last connection was not made or broke. */
  String lastFailure() {
    return lastFailure;
  }

  /** The connected socket's descriptor, to wait for room with. */
  int descriptor() {
    return descriptor;
  }

  /** How many bytes journald has not taken yet; 0 when there is no connection. */
  int onTheWay() {
    return descriptor < 0 ? 0 : descriptors.onTheWay(descriptor);
  }

  /** How often it has connected: tells one descriptor from the next of the same number. */
  int connections() {
    return connections;
  }

  /**
   * Sends one entry.
   *
   * @param datagram a direct buffer; its position and limit are as before when the call returns
   * @throws StageletException when journald will never take this entry
   */
  Outcome send(ByteBuffer datagram) {
    int start = datagram.position();
    try {
      // the second try is for a socket that was replaced since the last entry
      for (int attempt = 0; attempt < 2; attempt++) {
        if (!connect()) {
          return Outcome.GONE;
        }
        int result = descriptors.write(descriptor, datagram);
        if (result == -Errno.EMSGSIZE || result == -Errno.ENOBUFS) {
          result = sendAsFile(datagram);
        }
        if (result >= 0) {
          return Outcome.SENT;
        }
        if (result == -Errno.EAGAIN) {
          return Outcome.FULL;
        }
        lastFailure = "error number " + -result + " from the socket";
        disconnect();
      }
      return Outcome.GONE;
    } finally {
      datagram.position(start);
    }
  }

  /** An entry that is too large for a datagram goes as a file in memory. */
  private int sendAsFile(ByteBuffer datagram) {
    int start = datagram.position();
    try (MemoryFile file = MemoryFile.of("journal-entry", datagram)) {
      return file.sendOver(descriptor);
    } finally {
      datagram.position(start);
    }
  }

  private void growSendBuffer(int fd) {
    try {
      descriptors.sendBuffer(fd, SEND_BUFFER);
    } catch (StageletException refused) {
      if (refused.code() != ErrorCode.PERMISSION_DENIED) {
        throw refused;
      }
      // not root: the system's default is smaller, and back-pressure comes earlier
    }
  }

  private void disconnect() {
    UnixDatagramChannel old = channel;
    channel = null;
    descriptor = -1;
    if (old != null) {
      try {
        old.close();
      } catch (IOException failure) {
        lastFailure = StageletException.reason(failure);
      }
    }
  }

  @Override
  public void close() {
    disconnect();
  }
}
