package io.stagelet.linux;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
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
  private static final MethodHandle SOCKET =
      Libc.function("socket", FunctionDescriptor.of(INT, INT, INT, INT));
  private static final MethodHandle BIND =
      Libc.function("bind", FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, INT));
  private static final MethodHandle LISTEN =
      Libc.function("listen", FunctionDescriptor.of(INT, INT, INT));
  private static final MethodHandle ACCEPT =
      Libc.function(
          "accept4",
          FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, INT));
  private static final MethodHandle SHUTDOWN =
      Libc.function("shutdown", FunctionDescriptor.of(INT, INT, INT));
  private static final MethodHandle RECVMSG =
      Libc.function("recvmsg", FunctionDescriptor.of(LONG, INT, ValueLayout.ADDRESS, INT));
  private static final MethodHandle POLL =
      Libc.function("poll", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, LONG, INT));

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
      MemorySegment errno = Libc.errnoSegment(arena);
      int socket = (int) SOCKET.invokeExact(errno, AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
      check(socket, errno, "socket", path);
      undo.push("close the socket " + path, () -> Descriptors.close(socket));
      MemorySegment address = arena.allocate(Short.BYTES + PATH_BYTES + 1L, Short.BYTES);
      address.set(SHORT, 0, (short) AF_UNIX);
      MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, Short.BYTES, name.length);
      check(
          (int) BIND.invokeExact(errno, socket, address, (int) address.byteSize()),
          errno,
          "bind",
          path);
      check((int) LISTEN.invokeExact(errno, socket, 1), errno, "listen", path);
      undo.keep();
      return new ConsoleSocket(path, socket);
    } catch (Throwable failure) {
      throw passOn(failure, path);
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
      MemorySegment errno = Libc.errnoSegment(arena);
      long deadline = System.nanoTime() + patience.toNanos();
      await(arena, socket, deadline);
      int connection =
          (int)
              ACCEPT.invokeExact(
                  errno, socket, MemorySegment.NULL, MemorySegment.NULL, SOCK_CLOEXEC);
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
      long count = (long) RECVMSG.invokeExact(errno, connection, message, MSG_CMSG_CLOEXEC);
      check((int) count, errno, "recvmsg", path);
      if (message.get(LONG, 40) < 20
          || control.get(INT, 8) != SOL_SOCKET
          || control.get(INT, 12) != SCM_RIGHTS) {
        throw new StageletException(
            ErrorCode.INTERNAL, "what came to %s brought no descriptor".formatted(path));
      }
      return control.get(INT, 16);
    } catch (Throwable failure) {
      throw passOn(failure, path);
    }
  }

  private void await(Arena arena, int fd, long deadline) throws Throwable {
    MemorySegment poll = arena.allocate(8, 4);
    MemorySegment errno = Libc.errnoSegment(arena);
    poll.set(INT, 0, fd);
    poll.set(SHORT, 4, POLLIN);
    while (true) {
      long left = Math.max(0, (deadline - System.nanoTime()) / 1_000_000);
      int ready = (int) POLL.invokeExact(errno, poll, 1L, (int) Math.min(left, 1 << 20));
      if (ready > 0) {
        return;
      }
      if (ready < 0 && Libc.errno(errno) != Errno.EINTR) {
        throw new SystemCallException("poll", path.toString(), Libc.errno(errno));
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
      int result = (int) SHUTDOWN.invokeExact(Libc.errnoSegment(arena), socket, SHUT_RDWR);
      if (result < 0) {
        throw new IllegalStateException("a listening socket cannot be shut down");
      }
    } catch (RuntimeException failure) {
      throw failure;
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
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
      throw new SystemCallException(call, path.toString(), Libc.errno(errno));
    }
  }

  private static RuntimeException passOn(Throwable failure, Path path) {
    if (failure instanceof StageletException known) {
      return known;
    }
    if (failure instanceof IOException io) {
      return new StageletException(
          ErrorCode.INTERNAL,
          "could not listen at %s: %s".formatted(path, StageletException.reason(io)),
          io);
    }
    throw Libc.unexpected(failure);
  }
}
