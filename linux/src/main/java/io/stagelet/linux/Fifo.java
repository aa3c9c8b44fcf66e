package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Named pipes ({@code fifo(7)}). */
public final class Fifo {
  private static final int S_IFIFO = 0x1000;

  private static final LibcFunction MKFIFO = LibcFunction.of("mkfifo");
  private static final LibcFunction CHMOD = LibcFunction.of("chmod");
  private static final LibcFunction LCHOWN = LibcFunction.of("lchown");

  private Fifo() {}

  /**
   * Makes a FIFO with exactly these permissions, whatever the process's umask is; one that exists
   * gets them too.
   *
   * @param mode permission bits, such as 0666
   * @param uid the owner, or -1 to leave it
   * @param gid the group, or -1 to leave it
   * @throws SystemCallException when the system refused; {@link Errno#EEXIST} where the path is
   *     something else than a FIFO
   */
  public static void make(Path path, int mode, int uid, int gid) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment name = arena.allocateFrom(path.toString());
      int made = (int) MKFIFO.call(errno, name.address(), mode);
      if (made < 0 && !(LibcFunction.errno(errno) == Errno.EEXIST && isFifo(path))) {
        throw new SystemCallException("mkfifo", path.toString(), LibcFunction.errno(errno));
      }
      int owned = (int) LCHOWN.call(errno, name.address(), uid, gid);
      if (owned < 0) {
        throw new SystemCallException("lchown", path.toString(), LibcFunction.errno(errno));
      }
      int permitted = (int) CHMOD.call(errno, name.address(), mode);
      if (permitted < 0) {
        throw new SystemCallException("chmod", path.toString(), LibcFunction.errno(errno));
      }
    } catch (StageletException failure) {
      throw failure;
    }
  }

  /** Whether the path is a FIFO; symbolic links are not followed. */
  public static boolean isFifo(Path path) {
    try {
      int mode =
          (int)
              java.nio.file.Files.getAttribute(
                  path, "unix:mode", java.nio.file.LinkOption.NOFOLLOW_LINKS);
      return (mode & 0xf000) == S_IFIFO;
    } catch (java.io.IOException unreadable) {
      // the caller's own call on the path tells why
      return false;
    }
  }

  /**
   * Opens the reading end without waiting for a writer. Reading it gives 0 bytes while nobody has
   * it open for writing, and {@link Errno#EAGAIN} while a writer has written nothing.
   *
   * @return the descriptor, which the caller closes
   */
  public static int openForReading(Path path) {
    return new DescriptorCalls()
        .open(path, DescriptorCalls.O_RDONLY | DescriptorCalls.O_NONBLOCK, 0);
  }
}
