package io.stagelet.journal;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The entries of one stream: their fixed fields are encoded once. Finds what of the output belongs
 * into the next entry, and writes that entry.
 *
 * <p>An entry is one line without its line feed; or, where asked for, as many lines as fit in 48
 * KiB, with the line feeds between them; or 48 KiB of a longer line.
 *
 * <p>For one thread. After {@link #next}, its answer is in {@link #end} and used by {@link #write}.
 */
final class StreamEntries {
  /** The longest message of an entry, the limit that journald has for a line of its own streams. */
  static final int LONGEST_MESSAGE = 48 << 10;

  /** How much room an entry may need. */
  static final int LONGEST_ENTRY = 128 << 10;

  /** Entries of a stream are numbered 0 to 9, and again. */
  static final int SEQUENCES = 10;

  private static final byte[] PARTIAL = ascii("CONTAINER_PARTIAL_MESSAGE=true\n");
  private static final byte[] MESSAGE = ascii("MESSAGE\n");
  private static final int LONGEST_FIXED_PART = LONGEST_ENTRY - LONGEST_MESSAGE - 1024;

  private final byte[] fixed;
  private final int priorityAt;
  private final int sequenceAt;
  private final int usualPriority;
  private final boolean priorityPrefix;

  private int begin;
  private int messageEnd;
  private int end;
  private int lines;
  private boolean partial;
  private int priority;

  /**
   * The entries of a container's stream.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the fields are too long for every entry
   *     to carry them
   */
  StreamEntries(ContainerOutput output, StreamKind kind) {
    Map<String, String> fields = new LinkedHashMap<>(output.fields());
    fields.put("CONTAINER_ID_FULL", output.id());
    fields.put("STREAM", kind.label());
    fields.remove("PRIORITY");
    fields.remove("STAGELET_SEQUENCE");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    fields.forEach((name, value) ->
        NativeProtocol.append(bytes, name, value.getBytes(StandardCharsets.UTF_8)));
    bytes.writeBytes(ascii("PRIORITY="));
    priorityAt = bytes.size();
    bytes.writeBytes(ascii("0\nSTAGELET_SEQUENCE="));
    sequenceAt = bytes.size();
    bytes.writeBytes(ascii("0\n"));
    fixed = bytes.toByteArray();
    usualPriority = kind.priority();
    priorityPrefix = output.priorityPrefix();
    if (fixed.length > LONGEST_FIXED_PART) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the journal fields of container %s take %d bytes, and may take %d; configure fewer labels"
              .formatted(output.id(), fixed.length, LONGEST_FIXED_PART));
    }
  }

  /**
   * Finds the next entry.
   *
   * @param data holds the output from {@code from} to {@code to}
   * @param ended whether {@code to} is the end of all output
   * @param together whether several lines may share the entry
   * @return whether there is one
   */
  boolean next(ByteBuffer data, int from, int to, boolean ended, boolean together) {
    if (!piece(data, from, to, ended)) {
      return false;
    }
    lines = 1;
    if (together && !partial) {
      addLines(data, to);
    }
    return true;
  }

  private void addLines(ByteBuffer data, int to) {
    int latest = begin + LONGEST_MESSAGE;
    while (end < to) {
      int lineFeed = Lines.lineFeed(data, end, Math.min(to, latest + 1));
      if (lineFeed < 0 || (priorityPrefix && priorityOf(data, end, lineFeed) >= 0)) {
        return;
      }
      messageEnd = lineFeed;
      end = lineFeed + 1;
      lines++;
    }
  }

  private boolean piece(ByteBuffer data, int from, int to, boolean ended) {
    if (from >= to) {
      return false;
    }
    begin = from;
    partial = false;
    int lineFeed = Lines.lineFeed(data, from, Math.min(to, from + LONGEST_MESSAGE + 1));
    if (lineFeed >= 0) {
      messageEnd = lineFeed;
      end = lineFeed + 1;
    } else if (to - from > LONGEST_MESSAGE) {
      messageEnd = from + LONGEST_MESSAGE;
      end = messageEnd;
      partial = true;
    } else if (ended) {
      messageEnd = to;
      end = to;
    } else {
      return false;
    }
    priority = usualPriority;
    if (priorityPrefix) {
      int own = priorityOf(data, from, messageEnd);
      if (own >= 0) {
        priority = own;
        begin = from + 3;
      }
    }
    return true;
  }

  /** The priority that a line begins with, or -1. */
  private static int priorityOf(ByteBuffer data, int from, int to) {
    if (to - from < 3 || data.get(from) != '<' || data.get(from + 2) != '>') {
      return -1;
    }
    int digit = data.get(from + 1) - '0';
    return digit >= 0 && digit <= 7 ? digit : -1;
  }

  /** The index after the last byte of the entry that {@link #next} found. */
  int end() {
    return end;
  }

  /** How many lines it has. */
  int lines() {
    return lines;
  }

  /** Writes the entry that {@link #next} found. */
  void write(ByteBuffer data, int sequence, ByteBuffer out) {
    fixed[priorityAt] = (byte) ('0' + priority);
    fixed[sequenceAt] = (byte) ('0' + sequence);
    int length = messageEnd - begin;
    out.put(fixed);
    if (partial) {
      out.put(PARTIAL);
    }
    out.put(MESSAGE).putLong(length);
    out.put(out.position(), data, begin, length);
    out.position(out.position() + length);
    out.put((byte) '\n');
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }
}
