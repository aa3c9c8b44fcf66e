package io.stagelet.journal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** Reads kubelet's log format, strictly, independent of what writes it. */
final class CriLog {
  private static final Pattern TIMESTAMP =
      Pattern.compile("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z");

  record Line(String timestamp, String stream, String tag, byte[] text) {
    String string() {
      return new String(text, StandardCharsets.UTF_8);
    }
  }

  private CriLog() {}

  static List<Line> read(Path file) {
    try {
      return parse(Files.readAllBytes(file));
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  static List<Line> parse(byte[] content) {
    List<Line> lines = new ArrayList<>();
    int at = 0;
    while (at < content.length) {
      int end = at;
      while (content[end] != '\n') {
        end++;
      }
      String[] words = new String(content, at, end - at, StandardCharsets.ISO_8859_1).split(" ", 4);
      if (words.length != 4
          || !TIMESTAMP.matcher(words[0]).matches()
          || !(words[1].equals("stdout") || words[1].equals("stderr"))
          || !(words[2].equals("P") || words[2].equals("F"))) {
        throw new IllegalStateException(
            "not a log line: " + new String(content, at, end - at, StandardCharsets.UTF_8));
      }
      lines.add(
          new Line(words[0], words[1], words[2], words[3].getBytes(StandardCharsets.ISO_8859_1)));
      at = end + 1;
    }
    return lines;
  }

  /** The output that the lines of a stream hold: each full one ends with a line feed. */
  static byte[] output(List<Line> lines, String stream) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (Line line : lines) {
      if (line.stream().equals(stream)) {
        all.writeBytes(line.text());
        if (line.tag().equals("F")) {
          all.write('\n');
        }
      }
    }
    return all.toByteArray();
  }
}
