package io.stagelet.cri.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A container's log file as kubelet reads it. Each entry is a time (RFC 3339, nanoseconds), the
 * stream, P for a part of a line or F for its end, and the text, with one space between.
 */
record ContainerLog(List<Entry> entries) {
  private static final Pattern ENTRY =
      Pattern.compile(
          "(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,9})?(?:Z|[+-]\\d\\d:\\d\\d))"
              + " (stdout|stderr) ([PF]) (.*)",
          // a console's lines end with a carriage return as well
          Pattern.DOTALL);

  /**
   * One line of the file.
   *
   * @param whole whether it ends a line of the container's
   */
  record Entry(Instant time, String stream, boolean whole, String text) {}

  ContainerLog {
    entries = List.copyOf(entries);
  }

  /** The log in a file; empty when there is no file yet. An unfinished last entry is left out. */
  static ContainerLog read(Path file) {
    String content;
    try {
      content = Files.readString(file);
    } catch (NoSuchFileException notYet) {
      return new ContainerLog(List.of());
    } catch (IOException failure) {
      throw new UncheckedIOException("could not read " + file, failure);
    }
    List<Entry> entries = new ArrayList<>();
    for (int start = 0; content.indexOf('\n', start) >= 0; ) {
      int end = content.indexOf('\n', start);
      entries.add(parse(content.substring(start, end)));
      start = end + 1;
    }
    return new ContainerLog(entries);
  }

  private static Entry parse(String line) {
    Matcher entry = ENTRY.matcher(line);
    if (!entry.matches()) {
      throw new AssertionError("not an entry of a container log: \"" + line + "\"");
    }
    return new Entry(
        OffsetDateTime.parse(entry.group(1)).toInstant(),
        entry.group(2),
        entry.group(3).equals("F"),
        entry.group(4));
  }

  /** The lines of one stream, their parts put together; a last line without its end counts. */
  List<String> lines(String stream) {
    List<String> lines = new ArrayList<>();
    StringBuilder parts = new StringBuilder();
    for (Entry entry : entries) {
      if (entry.stream().equals(stream)) {
        parts.append(entry.text());
        if (entry.whole()) {
          lines.add(parts.toString());
          parts.setLength(0);
        }
      }
    }
    if (!parts.isEmpty()) {
      lines.add(parts.toString());
    }
    return lines;
  }
}
