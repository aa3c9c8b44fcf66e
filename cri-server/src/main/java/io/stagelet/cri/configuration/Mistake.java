package io.stagelet.cri.configuration;

import java.nio.file.Path;

/**
 * Something in a file that cannot be.
 *
 * @param line counted from 1; 0 when it is not known
 * @param key its dotted name; empty when it is about the whole file
 */
public record Mistake(Path file, int line, String key, String words) {
  @Override
  public String toString() {
    return file + (line > 0 ? ":" + line : "") + ": " + (key.isEmpty() ? "" : key + ": ") + words;
  }
}
