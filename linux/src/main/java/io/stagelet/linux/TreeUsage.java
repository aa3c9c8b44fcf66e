package io.stagelet.linux;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** How much room a directory takes, by a walk that follows no links. */
public final class TreeUsage {
  private static final int DEEPEST = 1000;
  private static final int SECTOR = 512;

  private final FileCalls calls;
  private final Set<Long> linked = new HashSet<>();
  private long bytes;
  private long inodes;

  private TreeUsage(FileCalls calls) {
    this.calls = calls;
  }

  /**
   * The room of {@code directory} and all in it: blocks on the disk, and inodes, each once. What
   * goes away meanwhile is not counted.
   *
   * @throws SystemCallException with ENOENT when there is no such directory
   */
  public static ConfinedTree.Room of(Path directory) {
    try (FileCalls calls = new FileCalls()) {
      String name =
          new String(
              directory.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8),
              StandardCharsets.ISO_8859_1);
      int fd =
          calls.openat(FileCalls.AT_FDCWD, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
      if (fd < 0) {
        throw new SystemCallException("open", directory.toString(), -fd);
      }
      TreeUsage usage = new TreeUsage(calls);
      try {
        FileCalls.Status status = calls.status(fd, "");
        usage.inodes = 1;
        usage.bytes = status.blocks() * SECTOR;
        usage.below(fd, 0);
      } finally {
        calls.closeDescriptor(fd);
      }
      return new ConfinedTree.Room(usage.bytes, usage.inodes);
    }
  }

  private void below(int directory, int depth) {
    if (depth > DEEPEST) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "a tree is more than %d directories deep".formatted(DEEPEST));
    }
    for (List<FileCalls.Entry> some = calls.someEntries(directory);
        !some.isEmpty();
        some = calls.someEntries(directory)) {
      for (FileCalls.Entry entry : some) {
        count(directory, entry.name(), depth);
      }
    }
  }

  private void count(int directory, String name, int depth) {
    FileCalls.Status status;
    try {
      status = calls.status(directory, name);
    } catch (SystemCallException gone) {
      if (gone.errno() == Errno.ENOENT) {
        return;
      }
      throw gone;
    }
    if (!status.isDirectory() && status.links() > 1 && !linked.add(status.inode())) {
      return;
    }
    inodes++;
    bytes += status.blocks() * SECTOR;
    if (!status.isDirectory()) {
      return;
    }
    int fd =
        calls.openat(
            directory, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW, 0);
    if (fd < 0) {
      if (fd == -Errno.ENOENT || fd == -Errno.ENOTDIR) {
        return;
      }
      throw new SystemCallException("open", name, -fd);
    }
    try {
      below(fd, depth + 1);
    } finally {
      calls.closeDescriptor(fd);
    }
  }
}
