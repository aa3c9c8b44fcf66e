package io.stagelet.linux;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * A unix stream socket on which one descriptor is awaited: how an OCI runtime hands a terminal's
 * master over ({@code --console-socket}). Closing it removes its path.
 */
public final class ConsoleSocket implements AutoCloseable {
  private static final int AF_UNIX = 1;
  private static final int SOCK_STREAM_CLOEXEC = 1 | 0x80000;
  private static final int SOCK_CLOEXEC = 0x80000;
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;
  private static final int SHUT_RDWR = 2;
  private static final short POLLIN = 1;
  private static final int PATH_BYTES = 107;
  private static final int MESSAGE_BYTES = 56;
  private static final int CONTROL_BYTES = 64;
  private static final int MOST_TEXT = 4096;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
  private static final LibcFunction SOCKET = LibcFunction.of("socket");
  private static final LibcFunction BIND = LibcFunction.of("bind");
  private static final LibcFunction LISTEN = LibcFunction.of("listen");
  private static final LibcFunction ACCEPT = LibcFunction.of("accept4");
  private static final LibcFunction SHUTDOWN = LibcFunction.of("shutdown");
  private static final LibcFunction RECVMSG = LibcFunction.of("recvmsg");
  private static final LibcFunction POLL = LibcFunction.of("poll");

  private final Path path;
  private final int socket;

  private ConsoleSocket(Path path, int socket) {
    this.path = path;
    this.socket = socket;
  }

  /**
   * Listens at a path; one that was left there is replaced.
   *
   * @param path at most 107 bytes
   */
  public static ConsoleSocket at(Path path) {
    byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
    if (name.length > PATH_BYTES) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is too long for a unix socket (%d bytes at most); choose a shorter run directory"
              .formatted(path, PATH_BYTES));
    }
    try (Arena arena = Arena.ofConfined();
        CleanupStack undo = new CleanupStack()) {
      Files.deleteIfExists(path);
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int socket = (int) SOCKET.call(errno, AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
      check(socket, errno, "socket", path);
      undo.push("close the socket " + path, () -> Descriptors.close(socket));
      MemorySegment address = arena.allocate(Short.BYTES + PATH_BYTES + 1L, Short.BYTES);
      address.set(SHORT, 0, (short) AF_UNIX);
      MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, Short.BYTES, name.length);
      check(
          (int) BIND.call(errno, socket, address.address(), address.byteSize()),
          errno,
          "bind",
          path);
      check((int) LISTEN.call(errno, socket, 1), errno, "listen", path);
      undo.keep();
      return new ConsoleSocket(path, socket);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not listen at %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
  }

  /** Where it listens. */
  public Path path() {
    return path;
  }

  /** Becomes readable when somebody connects; stays this object's. */
  public int number() {
    return socket;
  }

  /**
   * Waits for somebody who connects and sends a descriptor.
   *
   * @return the descriptor, which the caller closes
   * @throws StageletException {@code DEADLINE_EXCEEDED} when none came within {@code patience}
   */
  public int receive(Duration patience) {
    try (Arena arena = Arena.ofConfined();
        CleanupStack undo = new CleanupStack()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      long deadline = System.nanoTime() + patience.toNanos();
      await(arena, socket, deadline);
      int connection = (int) ACCEPT.call(errno, socket, 0, 0, SOCK_CLOEXEC);
      check(connection, errno, "accept", path);
      undo.push("close a connection of " + path, () -> Descriptors.close(connection));
      await(arena, connection, deadline);
      MemorySegment message = arena.allocate(MESSAGE_BYTES, 8);
      MemorySegment vector = arena.allocate(16, 8);
      vector.set(ValueLayout.ADDRESS, 0, arena.allocate(MOST_TEXT));
      vector.set(LONG, 8, MOST_TEXT);
      MemorySegment control = arena.allocate(CONTROL_BYTES, 8);
      message.set(ValueLayout.ADDRESS, 16, vector);
      message.set(LONG, 24, 1);
      message.set(ValueLayout.ADDRESS, 32, control);
      message.set(LONG, 40, CONTROL_BYTES);
      long count = RECVMSG.call(errno, connection, message.address(), MSG_CMSG_CLOEXEC);
      check((int) count, errno, "recvmsg", path);
      if (message.get(LONG, 40) < 20
          || control.get(INT, 8) != SOL_SOCKET
          || control.get(INT, 12) != SCM_RIGHTS) {
        throw new StageletException(
            ErrorCode.INTERNAL, "what came to %s brought no descriptor".formatted(path));
      }
      return control.get(INT, 16);
    }
  }

  private void await(Arena arena, int fd, long deadline) {
    MemorySegment poll = arena.allocate(8, 4);
    MemorySegment errno = LibcFunction.errnoSegment(arena);
    poll.set(INT, 0, fd);
    poll.set(SHORT, 4, POLLIN);
    while (true) {
      long left = Math.max(0, (deadline - System.nanoTime()) / 1_000_000);
      int ready = (int) POLL.call(errno, poll.address(), 1, Math.min(left, 1 << 20));
      if (ready > 0) {
        return;
      }
      if (ready < 0 && LibcFunction.errno(errno) != Errno.EINTR) {
        throw new SystemCallException("poll", path.toString(), LibcFunction.errno(errno));
      }
      if (left == 0) {
        throw new StageletException(
            ErrorCode.DEADLINE_EXCEEDED, "no terminal came to %s in time".formatted(path));
      }
    }
  }

  /** Makes a {@link #receive} under way, or a later one, fail. May be called by any thread. */
  public void cancel() {
    try (Arena arena = Arena.ofConfined()) {
      int result = (int) SHUTDOWN.call(LibcFunction.errnoSegment(arena), socket, SHUT_RDWR);
      if (result < 0) {
        throw new IllegalStateException("a listening socket cannot be shut down");
      }
    }
  }

  @Override
  public void close() {
    Descriptors.close(socket);
    try {
      Files.deleteIfExists(path);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not remove %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
  }

  private static void check(int result, MemorySegment errno, String call, Path path) {
    if (result < 0) {
      throw new SystemCallException(call, path.toString(), LibcFunction.errno(errno));
    }
  }
}
