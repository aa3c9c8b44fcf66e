package io.stagelet.linux;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Writes a whole filesystem to its disk ({@code syncfs(2)}). */
public final class FilesystemFlush {
  private FilesystemFlush() {}

  /**
   * Writes all that waits in memory for the filesystem that {@code directory} is on; blocks until
   * the disk has it.
   */
  public static void of(Path directory) {
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
      int flushed = calls.syncfs(fd);
      calls.closeDescriptor(fd);
      if (flushed < 0) {
        throw new SystemCallException("syncfs", directory.toString(), -flushed);
      }
    }
  }
}
