package io.stagelet.cri.stats;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads many small files of the kernel with one buffer, and counts them. What is not there reads as
 * empty: a controller that is off, a cgroup that went away, pressure that is not accounted.
 */
public final class KernelFiles {
  private static final int LONGEST = 64 << 10;

  private final ByteBuffer buffer = ByteBuffer.allocateDirect(LONGEST);
  private long reads;

  /** The text of a file, without white space around it; empty when it cannot be read. */
  public String text(Path file) {
    reads++;
    buffer.clear();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      while (buffer.hasRemaining() && channel.read(buffer) > 0) {
        // the kernel gives long files in pieces
      }
    } catch (IOException absent) {
      return "";
    }
    return StandardCharsets.UTF_8.decode(buffer.flip()).toString().strip();
  }

  /** The lines of a file. */
  public List<String> lines(Path file) {
    return text(file).lines().toList();
  }

  /** The names in a directory that begin with {@code prefix}; none when it cannot be read. */
  public List<Path> entries(Path directory, String glob) {
    reads++;
    List<Path> entries = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(directory, glob)) {
      stream.forEach(entries::add);
    } catch (IOException | java.nio.file.DirectoryIteratorException absent) {
      return entries;
    }
    return entries;
  }

  /** How many files and directories were read so far. */
  public long reads() {
    return reads;
  }
}
