package io.stagelet.linux;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The system calls on files relative to a directory's descriptor. As the kernel does, each returns
 * a negative error number on failure; what that means is the caller's to say. Names are strings of
 * one char per byte.
 *
 * <p>Holds the memory its calls need, so that none allocates; for the thread that made it.
 */
final class FileCalls implements AutoCloseable {
  static final int AT_FDCWD = -100;
  static final int AT_REMOVEDIR = 0x200;
  static final int AT_SYMLINK_NOFOLLOW = 0x100;
  static final int AT_EMPTY_PATH = 0x1000;

  private static final boolean ARM = System.getProperty("os.arch", "").equals("aarch64");

  static final int O_RDONLY = 0;
  static final int O_WRONLY = 1;
  static final int O_CREAT = 0x40;
  static final int O_EXCL = 0x80;
  static final int O_NONBLOCK = 0x800;
  static final int O_DIRECTORY = ARM ? 0x4000 : 0x10000;
  static final int O_NOFOLLOW = ARM ? 0x8000 : 0x20000;
  static final int O_CLOEXEC = 0x80000;
  static final int O_PATH = 0x200000;

  static final int RESOLVE_NO_XDEV = 0x01;
  static final int RESOLVE_NO_MAGICLINKS = 0x02;
  static final int RESOLVE_IN_ROOT = 0x10;

  static final int S_IFMT = 0xF000;
  static final int S_IFDIR = 0x4000;
  static final int S_IFREG = 0x8000;
  static final int S_IFCHR = 0x2000;
  static final int S_IFBLK = 0x6000;
  static final int S_IFIFO = 0x1000;
  static final int S_IFLNK = 0xA000;

  /** openat2's number, the same on every architecture. */
  private static final long SYS_OPENAT2 = 437;

  private static final int PATH_MAX = 4096;
  private static final int STATX_BASIC_STATS = 0x7ff;
  private static final int ENAMETOOLONG = 36;

  private static final AddressLayout POINTER = ValueLayout.ADDRESS;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private static final MethodHandle OPENAT =
      Libc.function("openat", FunctionDescriptor.of(INT, INT, POINTER, INT, INT), 3);
  private static final MethodHandle SYSCALL_OPENAT2 =
      Libc.function("syscall", FunctionDescriptor.of(LONG, LONG, INT, POINTER, POINTER, LONG), 1);
  private static final MethodHandle CLOSE = Libc.function("close", FunctionDescriptor.of(INT, INT));
  private static final MethodHandle WRITE =
      Libc.function("pwrite", FunctionDescriptor.of(LONG, INT, POINTER, LONG, LONG));
  private static final MethodHandle FTRUNCATE =
      Libc.function("ftruncate", FunctionDescriptor.of(INT, INT, LONG));
  private static final MethodHandle MKDIRAT =
      Libc.function("mkdirat", FunctionDescriptor.of(INT, INT, POINTER, INT));
  private static final MethodHandle MKNODAT =
      Libc.function("mknodat", FunctionDescriptor.of(INT, INT, POINTER, INT, LONG));
  private static final MethodHandle SYMLINKAT =
      Libc.function("symlinkat", FunctionDescriptor.of(INT, POINTER, INT, POINTER));
  private static final MethodHandle READLINKAT =
      Libc.function("readlinkat", FunctionDescriptor.of(LONG, INT, POINTER, POINTER, LONG));
  private static final MethodHandle LINKAT =
      Libc.function("linkat", FunctionDescriptor.of(INT, INT, POINTER, INT, POINTER, INT));
  private static final MethodHandle UNLINKAT =
      Libc.function("unlinkat", FunctionDescriptor.of(INT, INT, POINTER, INT));
  private static final MethodHandle RENAMEAT =
      Libc.function("renameat", FunctionDescriptor.of(INT, INT, POINTER, INT, POINTER));
  private static final MethodHandle FCHOWNAT =
      Libc.function("fchownat", FunctionDescriptor.of(INT, INT, POINTER, INT, INT, INT));
  private static final MethodHandle FCHOWN =
      Libc.function("fchown", FunctionDescriptor.of(INT, INT, INT, INT));
  private static final MethodHandle FCHMODAT =
      Libc.function("fchmodat", FunctionDescriptor.of(INT, INT, POINTER, INT, INT));
  private static final MethodHandle FCHMOD =
      Libc.function("fchmod", FunctionDescriptor.of(INT, INT, INT));
  private static final MethodHandle UTIMENSAT =
      Libc.function("utimensat", FunctionDescriptor.of(INT, INT, POINTER, POINTER, INT));
  private static final MethodHandle FUTIMENS =
      Libc.function("futimens", FunctionDescriptor.of(INT, INT, POINTER));
  private static final MethodHandle FSETXATTR =
      Libc.function("fsetxattr", FunctionDescriptor.of(INT, INT, POINTER, POINTER, LONG, INT));
  private static final MethodHandle LSETXATTR =
      Libc.function("lsetxattr", FunctionDescriptor.of(INT, POINTER, POINTER, POINTER, LONG, INT));
  private static final MethodHandle LGETXATTR =
      Libc.function("lgetxattr", FunctionDescriptor.of(LONG, POINTER, POINTER, POINTER, LONG));
  private static final MethodHandle LLISTXATTR =
      Libc.function("llistxattr", FunctionDescriptor.of(LONG, POINTER, POINTER, LONG));
  private static final MethodHandle STATX =
      Libc.function("statx", FunctionDescriptor.of(INT, INT, POINTER, INT, INT, POINTER));
  private static final MethodHandle GETDENTS64 =
      Libc.function("getdents64", FunctionDescriptor.of(LONG, INT, POINTER, LONG));
  private static final MethodHandle SYNCFS =
      Libc.function("syncfs", FunctionDescriptor.of(INT, INT));

  /** How much {@link #write} passes to the kernel at once, in bytes. */
  private static final int WRITE_SIZE = 256 << 10;

  private static final int ENTRIES_SIZE = 32 << 10;

  private final Arena arena = Arena.ofConfined();
  private final MemorySegment errno = Libc.errnoSegment(arena);
  private final MemorySegment first = arena.allocate(PATH_MAX);
  private final MemorySegment second = arena.allocate(PATH_MAX);
  private final MemorySegment how = arena.allocate(3 * LONG.byteSize(), 8);
  private final MemorySegment times = arena.allocate(4 * LONG.byteSize(), 8);
  private final MemorySegment status = arena.allocate(256, 8);

  // large, and most of these objects live for a call or two: made when they are wanted
  private @Nullable MemorySegment data;
  private @Nullable MemorySegment entries;

  /** What {@link #status} tells of a file. */
  record Status(
      int mode,
      int uid,
      int gid,
      int links,
      long inode,
      long size,
      long blocks,
      long mtimeSeconds,
      int mtimeNanos,
      int major,
      int minor) {
    boolean isDirectory() {
      return (mode & S_IFMT) == S_IFDIR;
    }

    boolean isSymbolicLink() {
      return (mode & S_IFMT) == S_IFLNK;
    }

    /** Whether this is overlayfs's mark of a removed name. */
    boolean isWhiteout() {
      return (mode & S_IFMT) == S_IFCHR && major == 0 && minor == 0;
    }
  }

  /** What a directory holds under one name; {@code directory} as the directory's entry says. */
  record Entry(String name, boolean directory) {}

  private MemorySegment data() {
    MemorySegment made = data;
    if (made == null) {
      made = arena.allocate(WRITE_SIZE);
      data = made;
    }
    return made;
  }

  private MemorySegment entries() {
    MemorySegment made = entries;
    if (made == null) {
      made = arena.allocate(ENTRIES_SIZE, 8);
      entries = made;
    }
    return made;
  }

  int openat(int directory, String name, int flags, int mode) {
    if (tooLong(name)) {
      return -ENAMETOOLONG;
    }
    try {
      return result(
          (int) OPENAT.invokeExact(errno, directory, put(first, name), flags | O_CLOEXEC, mode));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Opens {@code path} as if {@code root} were "/": neither links nor ".." lead out of it. */
  int openInRoot(int root, String path, int flags) {
    if (tooLong(path)) {
      return -ENAMETOOLONG;
    }
    how.set(LONG, 0, flags | O_CLOEXEC);
    how.set(LONG, 8, 0);
    how.set(LONG, 16, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
    int opened;
    do {
      try {
        opened =
            result(
                (int)
                    (long)
                        SYSCALL_OPENAT2.invokeExact(
                            errno, SYS_OPENAT2, root, put(first, path), how, how.byteSize()));
      } catch (Throwable failure) {
        throw Libc.unexpected(failure);
      }
      // EAGAIN: a rename somewhere on the machine crossed a ".." of a link; openat2(2) says to
      // retry
    } while (opened == -Errno.EAGAIN);
    return opened;
  }

  int closeDescriptor(int fd) {
    try {
      return result((int) CLOSE.invokeExact(errno, fd));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Writes all of it at {@code position} (bytes from the file's start). */
  int write(int fd, long position, byte[] bytes, int offset, int length) {
    int done = 0;
    while (done < length) {
      int chunk = Math.min(length - done, WRITE_SIZE);
      MemorySegment.copy(bytes, offset + done, data(), ValueLayout.JAVA_BYTE, 0, chunk);
      int sent = 0;
      while (sent < chunk) {
        long count;
        try {
          count =
              (long)
                  WRITE.invokeExact(
                      errno,
                      fd,
                      data().asSlice(sent),
                      (long) (chunk - sent),
                      position + done + sent);
        } catch (Throwable failure) {
          throw Libc.unexpected(failure);
        }
        if (count < 0) {
          int error = Libc.errno(errno);
          if (error == Errno.EINTR) {
            continue;
          }
          return -error;
        }
        sent += (int) count;
      }
      done += chunk;
    }
    return 0;
  }

  int ftruncate(int fd, long size) {
    try {
      return result((int) FTRUNCATE.invokeExact(errno, fd, size));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int mkdirat(int directory, String name, int mode) {
    if (tooLong(name)) {
      return -ENAMETOOLONG;
    }
    try {
      return result((int) MKDIRAT.invokeExact(errno, directory, put(first, name), mode));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** {@code mode} with the type; a device's number in glibc's encoding, see {@link #device}. */
  int mknodat(int directory, String name, int mode, long device) {
    if (tooLong(name)) {
      return -ENAMETOOLONG;
    }
    try {
      return result((int) MKNODAT.invokeExact(errno, directory, put(first, name), mode, device));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int symlinkat(String text, int directory, String name) {
    if (tooLong(name) || tooLong(text)) {
      return -ENAMETOOLONG;
    }
    try {
      return result(
          (int) SYMLINKAT.invokeExact(errno, put(first, text), directory, put(second, name)));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** The text of a symbolic link. */
  String readlinkat(int directory, String name) {
    long length;
    try {
      length =
          (long)
              READLINKAT.invokeExact(errno, directory, put(first, name), second, second.byteSize());
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
    if (length < 0) {
      throw new SystemCallException("readlinkat", name, Libc.errno(errno));
    }
    byte[] text = new byte[(int) length];
    MemorySegment.copy(second, ValueLayout.JAVA_BYTE, 0, text, 0, text.length);
    return new String(text, StandardCharsets.ISO_8859_1);
  }

  int linkat(int fromDirectory, String from, int toDirectory, String to) {
    if (tooLong(from) || tooLong(to)) {
      return -ENAMETOOLONG;
    }
    try {
      return result(
          (int)
              LINKAT.invokeExact(
                  errno, fromDirectory, put(first, from), toDirectory, put(second, to), 0));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int unlinkat(int directory, String name, int flags) {
    try {
      return result((int) UNLINKAT.invokeExact(errno, directory, put(first, name), flags));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int renameat(int fromDirectory, String from, int toDirectory, String to) {
    try {
      return result(
          (int)
              RENAMEAT.invokeExact(
                  errno, fromDirectory, put(first, from), toDirectory, put(second, to)));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Never follows a link. */
  int chown(int directory, String name, int uid, int gid) {
    try {
      return result(
          (int)
              FCHOWNAT.invokeExact(
                  errno, directory, put(first, name), uid, gid, AT_SYMLINK_NOFOLLOW));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int fchown(int fd, int uid, int gid) {
    try {
      return result((int) FCHOWN.invokeExact(errno, fd, uid, gid));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Follows links: not for a name that may be one. */
  int chmod(int directory, String name, int mode) {
    try {
      return result((int) FCHMODAT.invokeExact(errno, directory, put(first, name), mode, 0));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int fchmod(int fd, int mode) {
    try {
      return result((int) FCHMOD.invokeExact(errno, fd, mode));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Sets both times; never follows a link. */
  int setTimes(int directory, String name, long seconds, int nanos) {
    try {
      return result(
          (int)
              UTIMENSAT.invokeExact(
                  errno,
                  directory,
                  put(first, name),
                  bothTimes(seconds, nanos),
                  AT_SYMLINK_NOFOLLOW));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int setTimes(int fd, long seconds, int nanos) {
    try {
      return result((int) FUTIMENS.invokeExact(errno, fd, bothTimes(seconds, nanos)));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  int fsetxattr(int fd, String attribute, byte[] value) {
    if (tooLong(attribute) || value.length > WRITE_SIZE) {
      return -ENAMETOOLONG;
    }
    MemorySegment.copy(value, 0, data(), ValueLayout.JAVA_BYTE, 0, value.length);
    try {
      return result(
          (int)
              FSETXATTR.invokeExact(
                  errno, fd, put(first, attribute), data(), (long) value.length, 0));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** Never follows a link at the end of {@code path}. */
  int lsetxattr(String path, String attribute, byte[] value) {
    if (tooLong(path) || tooLong(attribute) || value.length > WRITE_SIZE) {
      return -ENAMETOOLONG;
    }
    MemorySegment.copy(value, 0, data(), ValueLayout.JAVA_BYTE, 0, value.length);
    try {
      return result(
          (int)
              LSETXATTR.invokeExact(
                  errno, put(first, path), put(second, attribute), data(), (long) value.length, 0));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** The attribute's value; empty where there is none. */
  byte[] lgetxattr(String path, String attribute) {
    if (tooLong(path) || tooLong(attribute)) {
      throw new SystemCallException("lgetxattr", path, ENAMETOOLONG);
    }
    long length;
    try {
      length =
          (long)
              LGETXATTR.invokeExact(
                  errno, put(first, path), put(second, attribute), data(), (long) WRITE_SIZE);
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
    if (length < 0) {
      int error = Libc.errno(errno);
      if (error == Errno.ENODATA || error == Errno.EOPNOTSUPP) {
        return new byte[0];
      }
      throw new SystemCallException("lgetxattr of " + attribute, path, error);
    }
    byte[] value = new byte[(int) length];
    MemorySegment.copy(data(), ValueLayout.JAVA_BYTE, 0, value, 0, value.length);
    return value;
  }

  /** The names of the file's attributes; never follows a link at the end of {@code path}. */
  List<String> llistxattr(String path) {
    if (tooLong(path)) {
      throw new SystemCallException("llistxattr", path, ENAMETOOLONG);
    }
    long length;
    try {
      length = (long) LLISTXATTR.invokeExact(errno, put(first, path), data(), (long) WRITE_SIZE);
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
    if (length < 0) {
      int error = Libc.errno(errno);
      if (error == Errno.EOPNOTSUPP) {
        return List.of();
      }
      throw new SystemCallException("llistxattr", path, error);
    }
    List<String> names = new ArrayList<>();
    for (long at = 0; at < length; ) {
      String name = data().getString(at, StandardCharsets.ISO_8859_1);
      names.add(name);
      at += name.length() + 1;
    }
    return names;
  }

  /** What is there under {@code name}, no link followed; the directory itself for "". */
  Status status(int directory, String name) {
    int failed;
    try {
      failed =
          result(
              (int)
                  STATX.invokeExact(
                      errno,
                      directory,
                      put(first, name),
                      AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
                      STATX_BASIC_STATS,
                      status));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
    if (failed < 0) {
      throw new SystemCallException("statx", name, -failed);
    }
    // offsets of struct statx, statx(2)
    return new Status(
        status.get(ValueLayout.JAVA_SHORT, 28) & 0xffff,
        status.get(INT, 20),
        status.get(INT, 24),
        status.get(INT, 16),
        status.get(LONG, 32),
        status.get(LONG, 40),
        status.get(LONG, 48),
        status.get(LONG, 112),
        status.get(INT, 120),
        status.get(INT, 128),
        status.get(INT, 132));
  }

  /** Some of the entries that an open directory holds, empty at its end; "." and ".." left out. */
  List<Entry> someEntries(int directory) {
    long length;
    List<Entry> found = new ArrayList<>();
    do {
      try {
        length = (long) GETDENTS64.invokeExact(errno, directory, entries(), entries().byteSize());
      } catch (Throwable failure) {
        throw Libc.unexpected(failure);
      }
      if (length < 0) {
        throw new SystemCallException("getdents64", "a directory", Libc.errno(errno));
      }
      // struct linux_dirent64: ino, off, reclen, type, name
      for (long at = 0; at < length; ) {
        int size = entries().get(ValueLayout.JAVA_SHORT_UNALIGNED, at + 16) & 0xffff;
        boolean directoryType = entries().get(ValueLayout.JAVA_BYTE, at + 18) == 4;
        String name = entries().getString(at + 19, StandardCharsets.ISO_8859_1);
        if (!name.equals(".") && !name.equals("..")) {
          found.add(new Entry(name, directoryType));
        }
        at += size;
      }
    } while (found.isEmpty() && length > 0);
    return found;
  }

  /** Writes all of the filesystem that {@code fd} is on to its disk. */
  int syncfs(int fd) {
    try {
      return result((int) SYNCFS.invokeExact(errno, fd));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
  }

  /** A device's number as the C library encodes it ({@code makedev(3)}). */
  static long device(long major, long minor) {
    return ((major & 0xfff) << 8)
        | (minor & 0xff)
        | ((minor & ~0xffL) << 12)
        | ((major & ~0xfffL) << 32);
  }

  private MemorySegment bothTimes(long seconds, int nanos) {
    times.set(LONG, 0, seconds);
    times.set(LONG, 8, nanos);
    times.set(LONG, 16, seconds);
    times.set(LONG, 24, nanos);
    return times;
  }

  private static boolean tooLong(String name) {
    return name.length() >= PATH_MAX;
  }

  private static MemorySegment put(MemorySegment where, String name) {
    where.setString(0, name, StandardCharsets.ISO_8859_1);
    return where;
  }

  private int result(int returned) {
    return returned < 0 ? -Libc.errno(errno) : returned;
  }

  @Override
  public void close() {
    arena.close();
  }
}
