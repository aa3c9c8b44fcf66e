package io.stagelet.linux;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads a directory tree, each directory before what is in it and all in the order of their names'
 * bytes, with everything that a layer's archive has of it. No link is followed. For one thread.
 */
public final class TreeReader {
  /** What is there under a path. */
  public sealed interface Kind {
    /** A directory. */
    record Directory() implements Kind {}

    /**
     * A regular file.
     *
     * @param first the path by which the same file was told of before
     */
    record File(long size, Optional<TreePath> first) implements Kind {}

    /** A symbolic link; {@code text} raw, one char per byte. */
    record SymbolicLink(String text) implements Kind {}

    /** A device. */
    record Device(boolean block, int major, int minor) implements Kind {}

    /** A named pipe. */
    record Fifo() implements Kind {}

    /** Something that archives do not have. */
    record Socket() implements Kind {}
  }

  /** Hears of what is there. */
  @FunctionalInterface
  public interface Visitor {
    /**
     * One thing.
     *
     * @param content opens a regular file's content
     */
    void visit(TreePath path, Kind kind, FileAttributes attributes, Content content)
        throws IOException;
  }

  /** Opens a file. */
  @FunctionalInterface
  public interface Content {
    FileChannel open() throws IOException;
  }

  private static final int S_IFSOCK = 0xC000;
  private static final int DEEPEST = 1000;

  private final FileCalls calls;
  private final Visitor visitor;
  private final Map<Long, TreePath> linked = new HashMap<>();

  private TreeReader(FileCalls calls, Visitor visitor) {
    this.calls = calls;
    this.visitor = visitor;
  }

  /** Tells of {@code root} (as {@link TreePath#ROOT}) and all in it. */
  public static void read(Path root, Visitor visitor) throws IOException {
    try (FileCalls calls = new FileCalls()) {
      String name =
          new String(
              root.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8),
              StandardCharsets.ISO_8859_1);
      int fd =
          calls.openat(FileCalls.AT_FDCWD, name, FileCalls.O_RDONLY | FileCalls.O_DIRECTORY, 0);
      if (fd < 0) {
        throw new SystemCallException("open", root.toString(), -fd);
      }
      try {
        TreeReader reader = new TreeReader(calls, visitor);
        FileCalls.Status status = calls.status(fd, "");
        visitor.visit(
            TreePath.ROOT,
            new Kind.Directory(),
            reader.attributes("/proc/self/fd/" + fd + "/.", status),
            TreeReader::none);
        reader.below(fd, TreePath.ROOT, 0);
      } finally {
        calls.closeDescriptor(fd);
      }
    }
  }

  private static FileChannel none() throws IOException {
    throw new IOException("only regular files have content");
  }

  private void below(int directory, TreePath path, int depth) throws IOException {
    if (depth > DEEPEST) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "a tree is more than %d directories deep".formatted(DEEPEST));
    }
    List<String> names = new ArrayList<>();
    for (List<FileCalls.Entry> some = calls.someEntries(directory);
        !some.isEmpty();
        some = calls.someEntries(directory)) {
      some.forEach(entry -> names.add(entry.name()));
    }
    names.sort(Comparator.naturalOrder());
    for (String name : names) {
      one(directory, name, path.child(name), depth);
    }
  }

  private void one(int directory, String name, TreePath path, int depth) throws IOException {
    FileCalls.Status status = calls.status(directory, name);
    Kind kind = kind(directory, name, path, status);
    FileAttributes attributes =
        attributes("/proc/self/fd/%d/%s".formatted(directory, name), status);
    visitor.visit(path, kind, attributes, () -> open(directory, name));
    if (kind instanceof Kind.Directory) {
      int fd =
          calls.openat(
              directory,
              name,
              FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW,
              0);
      if (fd < 0) {
        throw new SystemCallException("open", path.toString(), -fd);
      }
      try {
        below(fd, path, depth + 1);
      } finally {
        calls.closeDescriptor(fd);
      }
    }
  }

  private Kind kind(int directory, String name, TreePath path, FileCalls.Status status) {
    return switch (status.mode() & FileCalls.S_IFMT) {
      case FileCalls.S_IFDIR -> new Kind.Directory();
      case FileCalls.S_IFLNK -> new Kind.SymbolicLink(calls.readlinkat(directory, name));
      case FileCalls.S_IFCHR -> new Kind.Device(false, status.major(), status.minor());
      case FileCalls.S_IFBLK -> new Kind.Device(true, status.major(), status.minor());
      case FileCalls.S_IFIFO -> new Kind.Fifo();
      case S_IFSOCK -> new Kind.Socket();
      default -> {
        TreePath first = status.links() > 1 ? linked.putIfAbsent(status.inode(), path) : null;
        yield new Kind.File(status.size(), Optional.ofNullable(first));
      }
    };
  }

  private FileAttributes attributes(String file, FileCalls.Status status) {
    Map<String, byte[]> xattrs = new LinkedHashMap<>();
    for (String name : calls.llistxattr(file)) {
      xattrs.put(
          new String(name.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8),
          calls.lgetxattr(file, name));
    }
    return new FileAttributes(
        Integer.toUnsignedLong(status.uid()),
        Integer.toUnsignedLong(status.gid()),
        status.mode() & 07777,
        status.mtimeSeconds(),
        status.mtimeNanos(),
        xattrs);
  }

  private FileChannel open(int directory, String name) throws IOException {
    int fd = calls.openat(directory, name, FileCalls.O_RDONLY | FileCalls.O_NOFOLLOW, 0);
    if (fd < 0) {
      throw new SystemCallException("open", name, -fd);
    }
    try {
      return FileChannel.open(
          Path.of("/proc/self/fd", String.valueOf(fd)), StandardOpenOption.READ);
    } finally {
      calls.closeDescriptor(fd);
    }
  }
}
