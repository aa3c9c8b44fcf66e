package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * The ranges of addresses that kubelet gave this node's pods. It tells them when they change, and
 * not again to a server that was restarted: so they are kept on disk. Safe for any thread.
 */
final class PodRanges {
  private static final Logger LOG = LoggerFactory.getLogger(PodRanges.class);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private volatile List<String> ranges;

  /** What is kept in a file, which need not be there yet. */
  PodRanges(Path file) {
    this.file = file;
    this.ranges = stored(file);
  }

  private static List<String> stored(Path file) {
    try {
      return List.copyOf(
          JSON.readValue(Files.readAllBytes(file), new TypeReference<List<String>>() {}));
    } catch (NoSuchFileException nothing) {
      return List.of();
    } catch (IOException failure) {
      StoryEvent.RECOVERY_FAILED
          .on(LOG, Level.WARN)
          .log(
              "the pod ranges in {} cannot be read, and are unknown until kubelet tells them again: {}",
              file,
              StageletException.reason(failure));
      return List.of();
    }
  }

  List<String> ranges() {
    return ranges;
  }

  /** Takes note of ranges, as kubelet says them: one of each family, with commas between them. */
  synchronized void become(String commaSeparated) {
    List<String> told =
        Arrays.stream(commaSeparated.split(",", -1))
            .map(String::strip)
            .filter(range -> !range.isEmpty())
            .toList();
    if (!told.isEmpty() && !told.equals(ranges)) {
      try {
        DurableFiles.write(file, JSON.writeValueAsBytes(told));
      } catch (JsonProcessingException failure) {
        throw new IllegalStateException("texts cannot be written as JSON", failure);
      }
      ranges = told;
    }
  }
}
