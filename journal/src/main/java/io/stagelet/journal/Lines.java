package io.stagelet.journal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Searches for line feeds in a buffer, eight bytes at a time. */
final class Lines {
  private static final long ONES = 0x0101010101010101L;
  private static final long HIGH_BITS = 0x8080808080808080L;
  private static final long LINE_FEEDS = ONES * '\n';

  private Lines() {}

  /**
   * The first line feed between two indexes of a little-endian buffer, or -1. Positions and limits
   * play no part.
   */
  static int lineFeed(ByteBuffer data, int from, int to) {
    int at = from;
    for (; at + Long.BYTES <= to; at += Long.BYTES) {
      long bytes = data.getLong(at) ^ LINE_FEEDS;
      // the lowest high bit that is set marks the first byte that is zero now
      long found = (bytes - ONES) & ~bytes & HIGH_BITS;
      if (found != 0) {
        return at + Long.numberOfTrailingZeros(found) / Byte.SIZE;
      }
    }
    for (; at < to; at++) {
      if (data.get(at) == '\n') {
        return at;
      }
    }
    return -1;
  }

  /** The last line feed before {@code to}, or -1. */
  static int lastLineFeed(ByteBuffer data, int to) {
    for (int at = to - 1; at >= 0; at--) {
      if (data.get(at) == '\n') {
        return at;
      }
    }
    return -1;
  }

  /** A direct buffer that {@link #lineFeed} can search. */
  static ByteBuffer buffer(int capacity) {
    return ByteBuffer.allocateDirect(capacity).order(ByteOrder.LITTLE_ENDIAN);
  }
}
