package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Project quotas ({@code quotactl_fd(2)}, {@code FS_IOC_FSSETXATTR}): the filesystem counts what is
 * in a directory and all below it. ext4 and xfs can, where they are mounted with {@code prjquota}.
 */
public final class ProjectQuota {
  private static final long SYS_QUOTACTL_FD = 443;
  private static final long FS_IOC_FSGETXATTR = 0x801c581fL;
  private static final long FS_IOC_FSSETXATTR = 0x401c5820L;
  private static final int INHERIT = 0x200;

  // struct fsxattr: flags, extent size, extents, project, ...
  private static final long ATTRIBUTES_SIZE = 28;
  private static final long FLAGS_AT = 0;
  private static final long PROJECT_AT = 12;

  /** Q_GETQUOTA of project quotas. */
  private static final long GET_PROJECT = (0x800007L << 8) | 2;

  // struct if_dqblk: limits, space, limits, inodes, ...
  private static final long QUOTA_SIZE = 72;
  private static final long SPACE_AT = 16;
  private static final long INODES_AT = 40;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final LibcFunction IOCTL = LibcFunction.of("ioctl");
  private static final LibcFunction SYSCALL = LibcFunction.of("syscall");

  private ProjectQuota() {}

  /**
   * Gives a directory to a project; what is made in it later belongs to it, too.
   *
   * @return false where the filesystem knows no projects
   */
  public static boolean assign(Path directory, int project) {
    try (Arena arena = Arena.ofConfined();
        FileCalls calls = new FileCalls()) {
      int fd = open(calls, directory);
      try {
        MemorySegment attributes = arena.allocate(ATTRIBUTES_SIZE, 8);
        int failed = ioctl(arena, fd, FS_IOC_FSGETXATTR, attributes);
        if (failed == 0) {
          attributes.set(INT, FLAGS_AT, attributes.get(INT, FLAGS_AT) | INHERIT);
          attributes.set(INT, PROJECT_AT, project);
          failed = ioctl(arena, fd, FS_IOC_FSSETXATTR, attributes);
        }
        return failed == 0;
      } finally {
        calls.closeDescriptor(fd);
      }
    }
  }

  /**
   * What the directory's project takes, all of it.
   *
   * @return empty where the directory is in no project, or the filesystem does not count
   */
  public static Optional<ConfinedTree.Room> usage(Path directory) {
    try (Arena arena = Arena.ofConfined();
        FileCalls calls = new FileCalls()) {
      int fd = open(calls, directory);
      try {
        MemorySegment attributes = arena.allocate(ATTRIBUTES_SIZE, 8);
        if (ioctl(arena, fd, FS_IOC_FSGETXATTR, attributes) != 0
            || attributes.get(INT, PROJECT_AT) == 0) {
          return Optional.empty();
        }
        MemorySegment quota = arena.allocate(QUOTA_SIZE, 8);
        MemorySegment errno = LibcFunction.errnoSegment(arena);
        long failed =
            SYSCALL.call(
                errno,
                SYS_QUOTACTL_FD,
                fd,
                GET_PROJECT,
                Integer.toUnsignedLong(attributes.get(INT, PROJECT_AT)),
                quota.address());
        return failed == 0
            ? Optional.of(
                new ConfinedTree.Room(quota.get(LONG, SPACE_AT), quota.get(LONG, INODES_AT)))
            : Optional.empty();
      } finally {
        calls.closeDescriptor(fd);
      }
    }
  }

  private static int open(FileCalls calls, Path directory) {
    String name =
        new String(
            directory.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8),
            StandardCharsets.ISO_8859_1);
    int fd = calls.openat(FileCalls.AT_FDCWD, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
    if (fd < 0) {
      throw new SystemCallException("open", directory.toString(), -fd);
    }
    return fd;
  }

  private static int ioctl(Arena arena, int fd, long request, MemorySegment argument) {
    MemorySegment errno = LibcFunction.errnoSegment(arena);
    int result = (int) IOCTL.call(errno, fd, request, argument.address());
    return result < 0 ? LibcFunction.errno(errno) : 0;
  }
}
