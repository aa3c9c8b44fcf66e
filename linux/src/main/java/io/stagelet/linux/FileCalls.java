package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private static final LibcFunction OPENAT = LibcFunction.of("openat");
  private static final LibcFunction SYSCALL_OPENAT2 = LibcFunction.of("syscall");
  private static final LibcFunction CLOSE = LibcFunction.of("close");
  private static final LibcFunction WRITE = LibcFunction.of("pwrite");
  private static final LibcFunction FTRUNCATE = LibcFunction.of("ftruncate");
  private static final LibcFunction MKDIRAT = LibcFunction.of("mkdirat");
  private static final LibcFunction MKNODAT = LibcFunction.of("mknodat");
  private static final LibcFunction SYMLINKAT = LibcFunction.of("symlinkat");
  private static final LibcFunction READLINKAT = LibcFunction.of("readlinkat");
  private static final LibcFunction LINKAT = LibcFunction.of("linkat");
  private static final LibcFunction UNLINKAT = LibcFunction.of("unlinkat");
  private static final LibcFunction RENAMEAT = LibcFunction.of("renameat");
  private static final LibcFunction FCHOWNAT = LibcFunction.of("fchownat");
  private static final LibcFunction FCHOWN = LibcFunction.of("fchown");
  private static final LibcFunction FCHMODAT = LibcFunction.of("fchmodat");
  private static final LibcFunction FCHMOD = LibcFunction.of("fchmod");
  private static final LibcFunction UTIMENSAT = LibcFunction.of("utimensat");
  private static final LibcFunction FUTIMENS = LibcFunction.of("futimens");
  private static final LibcFunction FSETXATTR = LibcFunction.of("fsetxattr");
  private static final LibcFunction LSETXATTR = LibcFunction.of("lsetxattr");
  private static final LibcFunction LGETXATTR = LibcFunction.of("lgetxattr");
  private static final LibcFunction LLISTXATTR = LibcFunction.of("llistxattr");
  private static final LibcFunction STATX = LibcFunction.of("statx");
  private static final LibcFunction GETDENTS64 = LibcFunction.of("getdents64");
  private static final LibcFunction SYNCFS = LibcFunction.of("syncfs");

  /** How much {@link #write} passes to the kernel at once, in bytes. */
  private static final int WRITE_SIZE = 256 << 10;

  private static final int ENTRIES_SIZE = 32 << 10;

  private final Arena arena = Arena.ofConfined();
  private final MemorySegment errno = LibcFunction.errnoSegment(arena);
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
    return result(
        (int) OPENAT.call(errno, directory, put(first, name).address(), flags | O_CLOEXEC, mode));
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
      opened =
          result(
              (int)
                  SYSCALL_OPENAT2.call(
                      errno,
                      SYS_OPENAT2,
                      root,
                      put(first, path).address(),
                      how.address(),
                      how.byteSize()));
      // EAGAIN: a rename somewhere on the machine crossed a ".." of a link; openat2(2) says to
      // retry
    } while (opened == -Errno.EAGAIN);
    return opened;
  }

  int closeDescriptor(int fd) {
    return result((int) CLOSE.call(errno, fd));
  }

  /** Writes all of it at {@code position} (bytes from the file's start). */
  int write(int fd, long position, byte[] bytes, int offset, int length) {
    int done = 0;
    while (done < length) {
      int chunk = Math.min(length - done, WRITE_SIZE);
      MemorySegment.copy(bytes, offset + done, data(), ValueLayout.JAVA_BYTE, 0, chunk);
      int sent = 0;
      while (sent < chunk) {
        long count =
            WRITE.call(
                errno, fd, data().asSlice(sent).address(), (chunk - sent), position + done + sent);
        if (count < 0) {
          int error = LibcFunction.errno(errno);
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
    return result((int) FTRUNCATE.call(errno, fd, size));
  }

  int mkdirat(int directory, String name, int mode) {
    if (tooLong(name)) {
      return -ENAMETOOLONG;
    }
    return result((int) MKDIRAT.call(errno, directory, put(first, name).address(), mode));
  }

  /** {@code mode} with the type; a device's number in glibc's encoding, see {@link #device}. */
  int mknodat(int directory, String name, int mode, long device) {
    if (tooLong(name)) {
      return -ENAMETOOLONG;
    }
    return result((int) MKNODAT.call(errno, directory, put(first, name).address(), mode, device));
  }

  int symlinkat(String text, int directory, String name) {
    if (tooLong(name) || tooLong(text)) {
      return -ENAMETOOLONG;
    }
    return result(
        (int)
            SYMLINKAT.call(
                errno, put(first, text).address(), directory, put(second, name).address()));
  }

  /** The text of a symbolic link. */
  String readlinkat(int directory, String name) {
    long length =
        READLINKAT.call(
            errno, directory, put(first, name).address(), second.address(), second.byteSize());
    if (length < 0) {
      throw new SystemCallException("readlinkat", name, LibcFunction.errno(errno));
    }
    byte[] text = new byte[(int) length];
    MemorySegment.copy(second, ValueLayout.JAVA_BYTE, 0, text, 0, text.length);
    return new String(text, StandardCharsets.ISO_8859_1);
  }

  int linkat(int fromDirectory, String from, int toDirectory, String to) {
    if (tooLong(from) || tooLong(to)) {
      return -ENAMETOOLONG;
    }
    return result(
        (int)
            LINKAT.call(
                errno,
                fromDirectory,
                put(first, from).address(),
                toDirectory,
                put(second, to).address(),
                0));
  }

  int unlinkat(int directory, String name, int flags) {
    return result((int) UNLINKAT.call(errno, directory, put(first, name).address(), flags));
  }

  int renameat(int fromDirectory, String from, int toDirectory, String to) {
    return result(
        (int)
            RENAMEAT.call(
                errno,
                fromDirectory,
                put(first, from).address(),
                toDirectory,
                put(second, to).address()));
  }

  /** Never follows a link. */
  int chown(int directory, String name, int uid, int gid) {
    return result(
        (int)
            FCHOWNAT.call(
                errno, directory, put(first, name).address(), uid, gid, AT_SYMLINK_NOFOLLOW));
  }

  int fchown(int fd, int uid, int gid) {
    return result((int) FCHOWN.call(errno, fd, uid, gid));
  }

  /** Follows links: not for a name that may be one. */
  int chmod(int directory, String name, int mode) {
    return result((int) FCHMODAT.call(errno, directory, put(first, name).address(), mode, 0));
  }

  int fchmod(int fd, int mode) {
    return result((int) FCHMOD.call(errno, fd, mode));
  }

  /** Sets both times; never follows a link. */
  int setTimes(int directory, String name, long seconds, int nanos) {
    return result(
        (int)
            UTIMENSAT.call(
                errno,
                directory,
                put(first, name).address(),
                bothTimes(seconds, nanos).address(),
                AT_SYMLINK_NOFOLLOW));
  }

  int setTimes(int fd, long seconds, int nanos) {
    return result((int) FUTIMENS.call(errno, fd, bothTimes(seconds, nanos).address()));
  }

  int fsetxattr(int fd, String attribute, byte[] value) {
    if (tooLong(attribute) || value.length > WRITE_SIZE) {
      return -ENAMETOOLONG;
    }
    MemorySegment.copy(value, 0, data(), ValueLayout.JAVA_BYTE, 0, value.length);
    return result(
        (int)
            FSETXATTR.call(
                errno, fd, put(first, attribute).address(), data().address(), value.length, 0));
  }

  /** Never follows a link at the end of {@code path}. */
  int lsetxattr(String path, String attribute, byte[] value) {
    if (tooLong(path) || tooLong(attribute) || value.length > WRITE_SIZE) {
      return -ENAMETOOLONG;
    }
    MemorySegment.copy(value, 0, data(), ValueLayout.JAVA_BYTE, 0, value.length);
    return result(
        (int)
            LSETXATTR.call(
                errno,
                put(first, path).address(),
                put(second, attribute).address(),
                data().address(),
                value.length,
                0));
  }

  /** The attribute's value; empty where there is none. */
  byte[] lgetxattr(String path, String attribute) {
    if (tooLong(path) || tooLong(attribute)) {
      throw new SystemCallException("lgetxattr", path, ENAMETOOLONG);
    }
    long length =
        LGETXATTR.call(
            errno,
            put(first, path).address(),
            put(second, attribute).address(),
            data().address(),
            WRITE_SIZE);
    if (length < 0) {
      int error = LibcFunction.errno(errno);
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
    long length = LLISTXATTR.call(errno, put(first, path).address(), data().address(), WRITE_SIZE);
    if (length < 0) {
      int error = LibcFunction.errno(errno);
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
    int failed =
        result(
            (int)
                STATX.call(
                    errno,
                    directory,
                    put(first, name).address(),
                    AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
                    STATX_BASIC_STATS,
                    status.address()));
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
      length = GETDENTS64.call(errno, directory, entries().address(), entries().byteSize());
      if (length < 0) {
        throw new SystemCallException("getdents64", "a directory", LibcFunction.errno(errno));
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
    return result((int) SYNCFS.call(errno, fd));
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
    return returned < 0 ? -LibcFunction.errno(errno) : returned;
  }

  @Override
  public void close() {
    arena.close();
  }
}
