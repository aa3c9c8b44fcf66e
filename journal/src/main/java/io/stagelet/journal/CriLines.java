package io.stagelet.journal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/**
 * Writes lines as kubelet reads them (design proposal "kubelet-cri-logging"): {@code
 * 2026-11-23T08:00:00.000000001Z stdout F text\n}. A line of more than 16 KiB, as in containerd,
 * becomes several, all but the last tagged {@code P}; and so does the rest that has no line feed
 * when the output ends, as kubelet then adds none either.
 *
 * <p>What a run of bytes becomes depends on these bytes and the timestamp only, not on how they
 * came: after a crash the same is written again, byte for byte. Each timestamp has the same length.
 */
final class CriLines {
  /** The longest piece of a line. */
  static final int LONGEST_PIECE = 16 << 10;

  private static final DateTimeFormatter TO_THE_SECOND =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss");
  private static final int NANO_DIGITS = 9;

  /** The index of the first digit of the nanoseconds. */
  private static final int NANOS = "2026-11-23T08:00:00.".length();

  private final byte[] head;
  private final int tag;
  private long second = Long.MIN_VALUE;

  /** Writes lines of a stream with this label. */
  CriLines(String label) {
    head =
        "0000-00-00T00:00:00.000000000Z %s F ".formatted(label).getBytes(StandardCharsets.US_ASCII);
    tag = head.length - 2;
  }

  /** Sets the time of the lines that follow, in UTC. */
  void stamp(long epochSecond, int nanos) {
    if (epochSecond != second) {
      byte[] text =
          LocalDateTime.ofEpochSecond(epochSecond, 0, ZoneOffset.UTC)
              .format(TO_THE_SECOND)
              .getBytes(StandardCharsets.US_ASCII);
      System.arraycopy(text, 0, head, 0, text.length);
      second = epochSecond;
    }
    int rest = nanos;
    for (int digit = NANO_DIGITS - 1; digit >= 0; digit--) {
      head[NANOS + digit] = (byte) ('0' + rest % 10);
      rest /= 10;
    }
  }

  /**
   * Writes as many whole pieces as there are and fit.
   *
   * @param data holds the bytes from {@code from} to {@code to}
   * @param ended whether {@code to} is the end of all output: then what has no line feed is written
   *     too
   * @param out gets the lines
   * @return the index after the last byte that was written
   */
  int write(ByteBuffer data, int from, int to, boolean ended, ByteBuffer out) {
    int at = from;
    while (at < to) {
      // a piece is known to be one when its line feed is seen, or one byte more than it may have
      int lineFeed = Lines.lineFeed(data, at, Math.min(to, at + LONGEST_PIECE + 1));
      int end;
      int next;
      if (lineFeed >= 0) {
        end = lineFeed;
        next = lineFeed + 1;
      } else if (to - at > LONGEST_PIECE) {
        end = at + LONGEST_PIECE;
        next = end;
      } else if (ended) {
        end = to;
        next = to;
      } else {
        return at;
      }
      int length = end - at;
      if (out.remaining() < head.length + length + 1) {
        return at;
      }
      head[tag] = (byte) (lineFeed >= 0 ? 'F' : 'P');
      out.put(head);
      out.put(out.position(), data, at, length);
      out.position(out.position() + length);
      out.put((byte) '\n');
      at = next;
    }
    return at;
  }
}
