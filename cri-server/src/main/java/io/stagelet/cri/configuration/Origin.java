package io.stagelet.cri.configuration;

import java.nio.file.Path;

/**
 * Where a value was written down.
 *
 * @param line counted from 1; 0 when it is not known
 */
public record Origin(Path file, int line) {
  @Override
  public String toString() {
    return line > 0 ? file + ":" + line : file.toString();
  }
}
