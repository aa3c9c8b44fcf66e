package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Input and output on raw file descriptors: for descriptors that come from systemd or go to it, for
 * FIFOs, and where the error number decides what happens next.
 *
 * <p>{@link #read}, {@link #readAt}, {@link #write}, {@link #writeAt} and {@link #splice} return
 * what the system call returns, and {@code -errno} instead of an exception when it failed: on the
 * way of every line of output, "would block" and "no space left" are ordinary answers. A call that
 * a signal interrupted is made again. The other methods throw {@link SystemCallException}.
 *
 * <p>An instance holds the room that the calls need, so that none of them allocates: it serves one
 * thread at a time. Buffers are direct.
 */
public final class DescriptorCalls {
  /** Flags of {@code open(2)}; the values of x86-64 and arm64, which agree on these. */
  public static final int O_RDONLY = 0;

  public static final int O_WRONLY = 1;
  public static final int O_RDWR = 2;
  public static final int O_CREAT = 0x40;
  public static final int O_EXCL = 0x80;
  public static final int O_TRUNC = 0x200;
  public static final int O_APPEND = 0x400;
  public static final int O_NONBLOCK = 0x800;
  public static final int O_DIRECTORY = FileCalls.O_DIRECTORY;
  public static final int O_CLOEXEC = 0x80000;

  private static final int SPLICE_F_NONBLOCK = 2;
  private static final int FALLOC_FL_KEEP_SIZE = 1;
  private static final int FALLOC_FL_PUNCH_HOLE = 2;
  private static final int F_DUPFD_CLOEXEC = 1030;
  private static final int SOL_SOCKET = 1;
  private static final int SO_SNDBUFFORCE = 32;
  private static final long SIOCOUTQ = 0x5411;
  private static final short AF_UNIX = 1;
  private static final int MAXIMUM_SOCKET_PATH = 107;
  private static final int AT_EMPTY_PATH = 0x1000;
  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int STATX_BYTES = 256;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private static final LibcFunction IOCTL = LibcFunction.of("ioctl");
  private static final LibcFunction OPEN = LibcFunction.of("open");
  private static final LibcFunction CLOSE = LibcFunction.of("close");
  private static final LibcFunction READ = LibcFunction.of("read");
  private static final LibcFunction PREAD = LibcFunction.of("pread");
  private static final LibcFunction WRITE = LibcFunction.of("write");
  private static final LibcFunction PWRITE = LibcFunction.of("pwrite");
  private static final LibcFunction SPLICE = LibcFunction.of("splice");
  private static final LibcFunction FTRUNCATE = LibcFunction.of("ftruncate");
  private static final LibcFunction FALLOCATE = LibcFunction.of("fallocate");
  private static final LibcFunction FCNTL = LibcFunction.of("fcntl");
  private static final LibcFunction SETSOCKOPT = LibcFunction.of("setsockopt");
  private static final LibcFunction CONNECT = LibcFunction.of("connect");
  private static final LibcFunction STATX = LibcFunction.of("statx");

  /**
   * What an open file is at this moment ({@code statx(2)}).
   *
   * @param device its file system's device number, major in the upper 32 bits
   * @param inode its number in the file system
   * @param links how many names it has; 0 when it was deleted
   * @param size its length in bytes
   */
  public record Status(long device, long inode, int links, long size) {}

  private final Arena arena = Arena.ofAuto();
  private final MemorySegment errno = LibcFunction.errnoSegment(arena);
  private final MemorySegment offset = arena.allocate(LONG);
  private final MemorySegment emptyPath = arena.allocateFrom("");
  private final MemorySegment status = arena.allocate(STATX_BYTES, Long.BYTES);

  /**
   * Opens a file; {@code O_CLOEXEC} is added to {@code flags}.
   *
   * @param mode the permissions of a new file, before the process's umask
   * @return the descriptor, which the caller closes
   */
  public int open(Path path, int flags, int mode) {
    try (Arena call = Arena.ofConfined()) {
      int fd =
          (int)
              OPEN.call(
                  errno, call.allocateFrom(path.toString()).address(), flags | O_CLOEXEC, mode);
      return checked(fd, "open", path);
    }
  }

  /** Closes a descriptor. After a failure it is closed all the same. */
  public void close(int fd) {
    int result = (int) CLOSE.call(errno, fd);
    checked(result, "close", fd);
  }

  /**
   * Reads into {@code buffer} from its position on, and moves the position.
   *
   * @return the number of bytes, 0 at the end, or {@code -errno}
   */
  public int read(int fd, ByteBuffer buffer) {
    while (true) {
      long count =
          READ.call(errno, fd, MemorySegment.ofBuffer(buffer).address(), buffer.remaining());
      int result = resultOf(count);
      if (result != -Errno.EINTR) {
        return moved(buffer, result);
      }
    }
  }

  /** As {@link #read}, from {@code position} of the file on. */
  public int readAt(int fd, ByteBuffer buffer, long position) {
    while (true) {
      long count =
          PREAD.call(
              errno, fd, MemorySegment.ofBuffer(buffer).address(), buffer.remaining(), position);
      int result = resultOf(count);
      if (result != -Errno.EINTR) {
        return moved(buffer, result);
      }
    }
  }

  /**
   * Writes {@code buffer} from its position on, and moves the position.
   *
   * @return the number of bytes, which may be fewer than remain, or {@code -errno}
   */
  public int write(int fd, ByteBuffer buffer) {
    while (true) {
      long count =
          WRITE.call(errno, fd, MemorySegment.ofBuffer(buffer).address(), buffer.remaining());
      int result = resultOf(count);
      if (result != -Errno.EINTR) {
        return moved(buffer, result);
      }
    }
  }

  /** As {@link #write}, to {@code position} of the file on. */
  public int writeAt(int fd, ByteBuffer buffer, long position) {
    while (true) {
      long count =
          PWRITE.call(
              errno, fd, MemorySegment.ofBuffer(buffer).address(), buffer.remaining(), position);
      int result = resultOf(count);
      if (result != -Errno.EINTR) {
        return moved(buffer, result);
      }
    }
  }

  /**
   * Moves bytes out of a pipe into a file at {@code position}, without waiting for more ({@code
   * splice(2)}). The file must not be open for appending.
   *
   * @return the number of bytes, 0 when the pipe is empty and nobody has it open for writing, or
   *     {@code -errno} ({@code EAGAIN}: empty, but it has a writer)
   */
  public int splice(int pipe, int file, long position, int atMost) {
    while (true) {
      offset.set(LONG, 0, position);
      long count = SPLICE.call(errno, pipe, 0, file, offset.address(), atMost, SPLICE_F_NONBLOCK);
      int result = resultOf(count);
      if (result != -Errno.EINTR) {
        return result;
      }
    }
  }

  /** Sets a file's length. */
  public void truncate(int fd, long length) {
    int result = (int) FTRUNCATE.call(errno, fd, length);
    checked(result, "ftruncate", fd);
  }

  /**
   * Gives a part of a file back to its file system; it reads as zeros then, and the file keeps its
   * length.
   */
  public void punchHole(int fd, long from, long length) {
    int result =
        (int) FALLOCATE.call(errno, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, from, length);
    checked(result, "fallocate (punching a hole)", fd);
  }

  /** Another descriptor of the same open file, closed on exec. */
  public int duplicate(int fd) {
    return checked(fcntl(fd, F_DUPFD_CLOEXEC, 0), "fcntl (duplicating)", fd);
  }

  /**
   * How many bytes a socket has on the way, which its peer has not read (with the kernel's own).
   */
  public int onTheWay(int fd) {
    int result;
    int bytes;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment value = call.allocate(INT);
      result = (int) IOCTL.call(errno, fd, SIOCOUTQ, value.address());
      bytes = value.get(INT, 0);
    }
    checked(result, "ioctl (SIOCOUTQ)", fd);
    return bytes;
  }

  /** Sets how many bytes a socket may have on the way, beyond the system's limit; needs root. */
  public void sendBuffer(int fd, int bytes) {
    int result;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment value = call.allocateFrom(INT, bytes);
      result =
          (int)
              SETSOCKOPT.call(
                  errno, fd, SOL_SOCKET, SO_SNDBUFFORCE, value.address(), value.byteSize());
    }
    checked(result, "setsockopt (SO_SNDBUFFORCE)", fd);
  }

  /**
   * Connects a unix socket to the one at {@code path}.
   *
   * @throws SystemCallException also when the path is longer than the 107 bytes that the kernel
   *     takes
   */
  public void connect(int socket, Path path) {
    byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
    if (name.length > MAXIMUM_SOCKET_PATH) {
      throw new SystemCallException("connect", path.toString(), Errno.EINVAL);
    }
    int result;
    try (Arena call = Arena.ofConfined()) {
      MemorySegment address = call.allocate(Short.BYTES + MAXIMUM_SOCKET_PATH + 1L, Short.BYTES);
      address.set(ValueLayout.JAVA_SHORT, 0, AF_UNIX);
      MemorySegment.copy(name, 0, address, ValueLayout.JAVA_BYTE, Short.BYTES, name.length);
      result = (int) CONNECT.call(errno, socket, address.address(), address.byteSize());
    }
    checked(result, "connect", path);
  }

  /** What the open file is now. */
  public Status status(int fd) {
    int result =
        (int)
            STATX.call(
                errno, fd, emptyPath.address(), AT_EMPTY_PATH, STATX_BASIC_STATS, status.address());
    checked(result, "statx", fd);
    long major = Integer.toUnsignedLong(status.get(INT, 0x88));
    long minor = Integer.toUnsignedLong(status.get(INT, 0x8c));
    return new Status(
        major << 32 | minor, status.get(LONG, 0x20), status.get(INT, 0x10), status.get(LONG, 0x28));
  }

  private int fcntl(int fd, int command, int argument) {
    return (int) FCNTL.call(errno, fd, command, argument);
  }

  private int resultOf(long count) {
    return count >= 0 ? (int) count : -LibcFunction.errno(errno);
  }

  private static int moved(ByteBuffer buffer, int result) {
    if (result > 0) {
      buffer.position(buffer.position() + result);
    }
    return result;
  }

  private int checked(int result, String call, int fd) {
    if (result < 0) {
      throw new SystemCallException(call, "descriptor " + fd, LibcFunction.errno(errno));
    }
    return result;
  }

  private int checked(int result, String call, Path path) {
    if (result < 0) {
      throw new SystemCallException(call, path.toString(), LibcFunction.errno(errno));
    }
    return result;
  }
}
