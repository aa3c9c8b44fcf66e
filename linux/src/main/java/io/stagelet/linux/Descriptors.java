package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * File descriptors as bare numbers, for those that come from outside: inherited from the service
 * manager ({@code sd_listen_fds(3)}) or received over a socket. Such a number has one owner, who
 * closes it once.
 */
public final class Descriptors {
  /** What a descriptor is open on ({@code st_mode} of {@code stat(2)}). */
  public enum Kind {
    FIFO(0010000),
    CHARACTER_DEVICE(0020000),
    DIRECTORY(0040000),
    BLOCK_DEVICE(0060000),
    REGULAR_FILE(0100000),
    SOCKET(0140000),
    /** Without a type: an anonymous inode, such as that of an eventfd, an epoll or a pidfd. */
    ANONYMOUS(0);

    private final int mode;

    Kind(int mode) {
      this.mode = mode;
    }
  }

  private static final int F_GETFL = 3;
  private static final int F_SETFL = 4;
  private static final int F_GETFD = 1;
  private static final int F_SETFD = 2;
  private static final int FD_CLOEXEC = 1;
  private static final int O_RDONLY = 0;
  private static final int O_RDWR = 2;
  private static final int O_NONBLOCK = 0x800;
  private static final int O_CLOEXEC = 0x80000;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int STATX_TYPE = 1;
  private static final int STATX_SIZE = 256;
  private static final int STATX_MODE = 28;
  private static final int TYPE_MASK = 0170000;

  private static final LibcFunction FCNTL = LibcFunction.of("fcntl");
  private static final LibcFunction OPEN = LibcFunction.of("open");
  private static final LibcFunction CLOSE = LibcFunction.of("close");
  private static final LibcFunction STATX = LibcFunction.of("statx");

  private Descriptors() {}

  /**
   * Opens a FIFO for reading, without waiting for a writer, and closed in programs this process
   * runs. The descriptor is non-blocking.
   */
  public static int openFifoForReading(Path fifo) {
    return open(fifo, O_RDONLY);
  }

  /**
   * Opens a FIFO for reading and writing ({@code fifo(7)}: Linux allows it, and it never waits), so
   * that it never reports end of file. The descriptor is non-blocking, and closed in programs this
   * process runs.
   */
  public static int openFifoForBoth(Path fifo) {
    return open(fifo, O_RDWR);
  }

  private static int open(Path fifo, int access) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment path = arena.allocateFrom(fifo.toString());
      int result = (int) OPEN.call(errno, path.address(), access | O_NONBLOCK | O_CLOEXEC);
      return check(result, errno, "open", fifo.toString());
    }
  }

  /** Whether the number is that of an open descriptor of this process. */
  public static boolean isOpen(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      return (int) FCNTL.call(errno, fd, F_GETFD, 0) >= 0;
    }
  }

  /**
   * Keeps a descriptor from the programs this process runs ({@code FD_CLOEXEC} of {@code
   * fcntl(2)}).
   */
  public static void setCloseOnExec(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int flags =
          check((int) FCNTL.call(errno, fd, F_GETFD, 0), errno, "fcntl(F_GETFD)", subject(fd));
      check(
          (int) FCNTL.call(errno, fd, F_SETFD, flags | FD_CLOEXEC),
          errno,
          "fcntl(F_SETFD)",
          subject(fd));
    }
  }

  /**
   * Makes reads and writes return instead of wait ({@code O_NONBLOCK}), for everyone who has the
   * same open file.
   */
  public static void setNonBlocking(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int flags =
          check((int) FCNTL.call(errno, fd, F_GETFL, 0), errno, "fcntl(F_GETFL)", subject(fd));
      check(
          (int) FCNTL.call(errno, fd, F_SETFL, flags | O_NONBLOCK),
          errno,
          "fcntl(F_SETFL)",
          subject(fd));
    }
  }

  /** Whether programs this process runs do not get the descriptor. */
  public static boolean isCloseOnExec(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int flags =
          check((int) FCNTL.call(errno, fd, F_GETFD, 0), errno, "fcntl(F_GETFD)", subject(fd));
      return (flags & FD_CLOEXEC) != 0;
    }
  }

  /** What the descriptor is open on. */
  public static Kind kind(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment path = arena.allocateFrom("");
      MemorySegment status = arena.allocate(STATX_SIZE, 8);
      check(
          (int) STATX.call(errno, fd, path.address(), AT_EMPTY_PATH, STATX_TYPE, status.address()),
          errno,
          "statx",
          subject(fd));
      int type = Short.toUnsignedInt(status.get(ValueLayout.JAVA_SHORT, STATX_MODE)) & TYPE_MASK;
      for (Kind kind : Kind.values()) {
        if (kind.mode == type) {
          return kind;
        }
      }
      throw new StageletException(
          ErrorCode.INTERNAL, "%s is of the unknown type 0%o".formatted(subject(fd), type));
    }
  }

  /**
   * Closes a descriptor. Only its owner may, and only once: the number may be another's a moment
   * later.
   */
  public static void close(int fd) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      check((int) CLOSE.call(errno, fd), errno, "close", subject(fd));
    }
  }

  private static String subject(int fd) {
    return "descriptor " + fd;
  }

  private static int check(int result, MemorySegment errno, String call, String subject) {
    if (result < 0) {
      throw new SystemCallException(call, subject, LibcFunction.errno(errno));
    }
    return result;
  }
}
