package io.stagelet.cri.stats;

import io.stagelet.linux.KernelReader;
import java.nio.file.Path;
import java.util.List;

/**
 * Reads many small files of the kernel, and counts them. What is not there reads as empty: a
 * controller that is off, a cgroup that went away, pressure that is not accounted.
 */
public final class KernelFiles {
  private final KernelReader reader = new KernelReader();
  private long reads;

  /** The text of a file, without white space around it; empty when it cannot be read. */
  public String text(Path file) {
    reads++;
    return reader.text(file);
  }

  /** The lines of a file. */
  public List<String> lines(Path file) {
    return text(file).lines().toList();
  }

  /** The names in a directory; none when it cannot be read. */
  public List<String> names(Path directory) {
    reads++;
    String[] names = directory.toFile().list();
    return names == null ? List.of() : List.of(names);
  }

  /** How many files and directories were read so far. */
  public long reads() {
    return reads;
  }
}
