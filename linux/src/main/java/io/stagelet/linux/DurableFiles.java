package io.stagelet.linux;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** Writes that a crash or a power cut leaves either whole or undone. */
public final class DurableFiles {
  /**
   * What a file that is being written ends with; such files are left by crashes only, and may be
   * deleted.
   */
  public static final String ASIDE = ".new";

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rw-------");

  private DurableFiles() {}

  /**
   * Replaces {@code file} by {@code content}: written aside in the same directory, fsynced,
   * renamed, and the directory fsynced. The file is readable by its owner only.
   */
  public static void write(Path file, byte[] content) {
    Path aside = file.resolveSibling(file.getFileName() + ASIDE);
    try {
      Files.deleteIfExists(aside);
      Files.createFile(aside, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      try (FileChannel channel = FileChannel.open(aside, StandardOpenOption.WRITE)) {
        ByteBuffer buffer = ByteBuffer.wrap(content);
        while (buffer.hasRemaining()) {
          channel.write(buffer);
        }
        channel.force(true);
      }
      Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      syncDirectory(parentOf(file));
    } catch (IOException failure) {
      try {
        Files.deleteIfExists(aside); // it is part of what fills the disk
      } catch (IOException alsoFailed) {
        failure.addSuppressed(alsoFailed);
      }
      throw failed("write", file, failure);
    }
  }

  /** Flushes a directory's entries (created, renamed, removed names) to the disk. */
  public static void syncDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException failure) {
      throw failed("flush", directory, failure);
    }
  }

  /**
   * Removes a directory and all below it; what is gone already is fine. Symbolic links are removed,
   * not followed.
   */
  public static void deleteTree(Path directory) {
    if (!Files.exists(directory, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (var walk = Files.walk(directory)) {
      for (Path path : walk.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    } catch (NoSuchFileException alreadyGone) {
      deleteTree(directory);
    } catch (UncheckedIOException failure) {
      throw failed("delete", directory, failure);
    } catch (IOException failure) {
      throw failed("delete", directory, failure);
    }
  }

  private static Path parentOf(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    if (parent == null) {
      throw new IllegalArgumentException(file + " is in no directory");
    }
    return parent;
  }

  private static StageletException failed(String verb, Path path, Exception failure) {
    ErrorCode code =
        StageletException.reason(failure).contains("No space left")
            ? ErrorCode.RESOURCE_EXHAUSTED
            : ErrorCode.INTERNAL;
    return new StageletException(
        code,
        "could not %s %s: %s".formatted(verb, path, StageletException.reason(failure)),
        failure);
  }
}
