package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;

/**
 * A file in memory that nobody can change any more ({@code memfd_create(2)} with all seals), and
 * its way to another process. Closed by whoever made it; the receiver has its own descriptor.
 */
public final class MemoryFile implements AutoCloseable {
  private static final int MFD_CLOEXEC = 1;
  private static final int MFD_ALLOW_SEALING = 2;
  private static final int F_ADD_SEALS = 1033;
  private static final int ALL_SEALS = 0xf;
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_NOSIGNAL = 0x4000;

  /** {@code struct msghdr} of 64-bit Linux: name, vector and control pointers with lengths. */
  private static final int MSGHDR_BYTES = 56;

  private static final int CONTROL_POINTER = 32;
  private static final int CONTROL_LENGTH = 40;

  /** A control message header of 16 bytes, one descriptor of 4, rounded up to 8. */
  private static final int CONTROL_BYTES = 24;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private static final LibcFunction MEMFD_CREATE = LibcFunction.of("memfd_create");
  private static final LibcFunction FCNTL = LibcFunction.of("fcntl");
  private static final LibcFunction SENDMSG = LibcFunction.of("sendmsg");

  private final DescriptorCalls descriptors = new DescriptorCalls();
  private final int fd;

  private MemoryFile(int fd) {
    this.fd = fd;
  }

  /**
   * A sealed file with this content.
   *
   * @param name what {@code /proc/PID/fd} shows
   * @param content a direct buffer; its position moves to its end
   */
  public static MemoryFile of(String name, ByteBuffer content) {
    try (Arena arena = Arena.ofConfined();
        CleanupStack undo = new CleanupStack()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int made =
          (int)
              MEMFD_CREATE.call(
                  errno, arena.allocateFrom(name).address(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (made < 0) {
        throw new SystemCallException("memfd_create", name, LibcFunction.errno(errno));
      }
      MemoryFile file = new MemoryFile(made);
      undo.push("close the memory file " + name, file::close);
      while (content.hasRemaining()) {
        int count = file.descriptors.write(made, content);
        if (count < 0) {
          throw new SystemCallException("write", "the memory file " + name, -count);
        }
      }
      int sealed = (int) FCNTL.call(errno, made, F_ADD_SEALS, ALL_SEALS);
      if (sealed < 0) {
        throw new SystemCallException(
            "fcntl (sealing)", "the memory file " + name, LibcFunction.errno(errno));
      }
      undo.keep();
      return file;
    } catch (StageletException failure) {
      throw failure;
    }
  }

  /**
   * Sends the file, as an empty datagram with its descriptor, over a connected unix datagram
   * socket.
   *
   * @return 0, or {@code -errno}: {@link Errno#EAGAIN} when a non-blocking socket's receiver is
   *     full
   */
  public int sendOver(int socket) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment control = arena.allocate(CONTROL_BYTES, Long.BYTES);
      control.set(LONG, 0, 16 + Integer.BYTES);
      control.set(INT, 8, SOL_SOCKET);
      control.set(INT, 12, SCM_RIGHTS);
      control.set(INT, 16, fd);
      MemorySegment message = arena.allocate(MSGHDR_BYTES, Long.BYTES);
      message.set(ValueLayout.ADDRESS, CONTROL_POINTER, control);
      message.set(LONG, CONTROL_LENGTH, control.byteSize());
      long result = SENDMSG.call(errno, socket, message.address(), MSG_NOSIGNAL);
      return result < 0 ? -LibcFunction.errno(errno) : 0;
    }
  }

  @Override
  public void close() {
    descriptors.close(fd);
  }
}
