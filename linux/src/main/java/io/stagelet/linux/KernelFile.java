package io.stagelet.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Reads the files of {@code /proc} and {@code /sys}. Their size reads as zero, and a number of
 * {@code /proc/sys} gives only its first digits to whoever asks for a few bytes at first, as {@link
 * Files#readString} does (41 reads as 4).
 */
public final class KernelFile {
  private static final int BUFFER = 64 << 10;

  private KernelFile() {}

  /**
   * The text of a file, without white space around it.
   *
   * @throws IOException when it cannot be read; {@link java.nio.file.NoSuchFileException} when it
   *     is not there
   */
  public static String text(Path file) throws IOException {
    byte[] buffer = new byte[BUFFER];
    StringBuilder text = new StringBuilder();
    try (InputStream stream = Files.newInputStream(file)) {
      for (int length = stream.read(buffer); length > 0; length = stream.read(buffer)) {
        text.append(new String(buffer, 0, length, StandardCharsets.UTF_8));
      }
    }
    return text.toString().strip();
  }
}
