package io.stagelet.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * Reads files of a tree that is not trusted: no link in it leads out of it ({@code openat2(2)},
 * RESOLVE_IN_ROOT).
 */
public final class ConfinedFiles {
  private static final int EXECUTABLE = 0111;

  private ConfinedFiles() {}

  /**
   * The text of a file; empty when it is not there, or is no regular file.
   *
   * @param root the tree
   * @param path relative to it
   * @param limit how many bytes are read at most
   */
  public static Optional<String> readText(Path root, String path, int limit) {
    try (FileCalls calls = new FileCalls()) {
      int tree =
          calls.openat(
              FileCalls.AT_FDCWD, root.toString(), FileCalls.O_PATH | FileCalls.O_DIRECTORY, 0);
      if (tree < 0) {
        throw new SystemCallException("open", root.toString(), -tree);
      }
      try {
        int file = calls.openInRoot(tree, path, FileCalls.O_RDONLY | FileCalls.O_NONBLOCK);
        if (file < 0) {
          return absent(root.resolve(path), -file);
        }
        try {
          return read(Path.of("/proc/self/fd", String.valueOf(file)), limit);
        } finally {
          calls.closeDescriptor(file);
        }
      } finally {
        calls.closeDescriptor(tree);
      }
    }
  }

  /**
   * Whether {@code path} is a directory, following links inside of {@code root}; empty when there
   * is nothing, or something that is neither a directory nor a regular file.
   */
  public static Optional<Boolean> isDirectory(Path root, String path) {
    try (FileCalls calls = new FileCalls()) {
      int tree = calls.openat(FileCalls.AT_FDCWD, raw(root.toString()), FileCalls.O_PATH, 0);
      if (tree < 0) {
        throw new SystemCallException("open", root.toString(), -tree);
      }
      try {
        int found = calls.openInRoot(tree, raw(path), FileCalls.O_PATH);
        if (found < 0) {
          return absent(root.resolve(path), -found).map(text -> false);
        }
        try {
          int kind = calls.status(found, "").mode() & FileCalls.S_IFMT;
          return kind == FileCalls.S_IFDIR || kind == FileCalls.S_IFREG
              ? Optional.of(kind == FileCalls.S_IFDIR)
              : Optional.empty();
        } finally {
          calls.closeDescriptor(found);
        }
      } finally {
        calls.closeDescriptor(tree);
      }
    }
  }

  /**
   * Whether a file below a root is one that nobody may execute: a regular one without any of those
   * bits. Links are followed within the root.
   */
  public static boolean isNoProgram(Path root, String path) {
    try (FileCalls calls = new FileCalls()) {
      int tree = calls.openat(FileCalls.AT_FDCWD, raw(root.toString()), FileCalls.O_PATH, 0);
      if (tree < 0) {
        throw new SystemCallException("open", root.toString(), -tree);
      }
      try {
        int found = calls.openInRoot(tree, raw(path), FileCalls.O_PATH);
        if (found < 0) {
          return absent(root.resolve(path), -found).isPresent();
        }
        try {
          int mode = calls.status(found, "").mode();
          return (mode & FileCalls.S_IFMT) == FileCalls.S_IFREG && (mode & EXECUTABLE) == 0;
        } finally {
          calls.closeDescriptor(found);
        }
      } finally {
        calls.closeDescriptor(tree);
      }
    }
  }

  /**
   * Opens a regular file for reading.
   *
   * @param path relative to {@code root}, raw: one char per byte
   * @return empty when it is not there, or something else than a regular file
   */
  public static Optional<FileChannel> openRaw(Path root, String path) {
    try (FileCalls calls = new FileCalls()) {
      int tree = calls.openat(FileCalls.AT_FDCWD, raw(root.toString()), FileCalls.O_PATH, 0);
      if (tree < 0) {
        throw new SystemCallException("open", root.toString(), -tree);
      }
      try {
        int file = calls.openInRoot(tree, path, FileCalls.O_RDONLY | FileCalls.O_NONBLOCK);
        if (file < 0) {
          var _ = absent(root, -file);
          return Optional.empty();
        }
        try {
          Path descriptor = Path.of("/proc/self/fd", String.valueOf(file));
          return Files.isRegularFile(descriptor)
              ? Optional.of(FileChannel.open(descriptor, StandardOpenOption.READ))
              : Optional.empty();
        } catch (IOException failure) {
          throw new StageletException(
              ErrorCode.INTERNAL,
              "could not read a file of %s: %s".formatted(root, StageletException.reason(failure)),
              failure);
        } finally {
          calls.closeDescriptor(file);
        }
      } finally {
        calls.closeDescriptor(tree);
      }
    }
  }

  /**
   * Makes the directories of a path that are not there, as root's, following links inside of {@code
   * root}.
   *
   * @throws SystemCallException when something else than a directory is in the way
   */
  public static void makeDirectories(Path root, String path) {
    makeDirectories(root, path, -1, -1);
  }

  /**
   * The same, and gives those that it makes away.
   *
   * @param uid their owner; -1 for this process's
   * @param gid their group; -1 for this process's
   */
  public static void makeDirectories(Path root, String path, int uid, int gid) {
    try (FileCalls calls = new FileCalls()) {
      int tree =
          calls.openat(
              FileCalls.AT_FDCWD,
              raw(root.toString()),
              FileCalls.O_PATH | FileCalls.O_DIRECTORY,
              0);
      if (tree < 0) {
        throw new SystemCallException("open", root.toString(), -tree);
      }
      int parent = tree;
      try {
        String whole = "";
        for (Path name : Path.of("/").relativize(Path.of("/").resolve(path).normalize())) {
          whole = whole + "/" + name;
          int next = openOrMake(calls, tree, parent, whole, name.toString(), uid, gid);
          if (parent != tree) {
            calls.closeDescriptor(parent);
          }
          parent = next;
        }
      } finally {
        if (parent != tree) {
          calls.closeDescriptor(parent);
        }
        calls.closeDescriptor(tree);
      }
    }
  }

  private static int openOrMake(
      FileCalls calls, int tree, int parent, String whole, String name, int uid, int gid) {
    int flags = FileCalls.O_PATH | FileCalls.O_DIRECTORY;
    int found = calls.openInRoot(tree, raw(whole), flags);
    if (found == -Errno.ENOENT) {
      int made = calls.mkdirat(parent, raw(name), 0755);
      if (made < 0) {
        throw new SystemCallException("mkdir", whole, -made);
      }
      int given = calls.chown(parent, raw(name), uid, gid);
      if (given < 0) {
        throw new SystemCallException("chown", whole, -given);
      }
      found = calls.openInRoot(tree, raw(whole), flags);
    }
    if (found < 0) {
      throw new SystemCallException("openat2", whole, -found);
    }
    return found;
  }

  private static String raw(String text) {
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
  }

  private static Optional<String> absent(Path path, int errno) {
    return switch (errno) {
      case Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP, Errno.ENXIO -> Optional.empty();
      default -> throw new SystemCallException("openat2", path.toString(), errno);
    };
  }

  /** The descriptor's own name in /proc opens the same file again, whatever its path has become. */
  private static Optional<String> read(Path descriptor, int limit) {
    if (!Files.isRegularFile(descriptor)) {
      return Optional.empty();
    }
    try (InputStream stream = Files.newInputStream(descriptor)) {
      return Optional.of(new String(stream.readNBytes(limit), StandardCharsets.UTF_8));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read a file of a container's root: " + StageletException.reason(failure),
          failure);
    }
  }
}
