package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Named pipes ({@code fifo(7)}). */
public final class Fifo {
  private static final int S_IFIFO = 0x1000;

  private static final MethodHandle MKFIFO =
      Libc.function(
          "mkfifo",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  private static final MethodHandle CHMOD =
      Libc.function(
          "chmod",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  private static final MethodHandle LCHOWN =
      Libc.function(
          "lchown",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_INT,
              ValueLayout.JAVA_INT));

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
      MemorySegment errno = Libc.errnoSegment(arena);
      MemorySegment name = arena.allocateFrom(path.toString());
      int made = (int) MKFIFO.invokeExact(errno, name, mode);
      if (made < 0 && !(Libc.errno(errno) == Errno.EEXIST && isFifo(path))) {
        throw new SystemCallException("mkfifo", path.toString(), Libc.errno(errno));
      }
      int owned = (int) LCHOWN.invokeExact(errno, name, uid, gid);
      if (owned < 0) {
        throw new SystemCallException("lchown", path.toString(), Libc.errno(errno));
      }
      int permitted = (int) CHMOD.invokeExact(errno, name, mode);
      if (permitted < 0) {
        throw new SystemCallException("chmod", path.toString(), Libc.errno(errno));
      }
    } catch (StageletException failure) {
      throw failure;
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
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
