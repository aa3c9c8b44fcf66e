package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.DataFormatException;

/**
 * Unpacks gzip (RFC 1952), all members of it, by ISA-L where the machine has it. Checks no CRC:
 * what reads a layer checks the digest of all of it. Unlike the JDK's stream it does not guess from
 * {@code available()} whether another member follows.
 */
final class GzipStream extends InputStream {
  private static final int HEADER_CRC = 2;
  private static final int EXTRA = 4;
  private static final int NAME = 8;
  private static final int COMMENT = 16;
  private static final int RESERVED = 0xe0;
  private static final int DEFLATE = 8;
  private static final int TRAILER = 8;

  private final InputStream packed;
  private final Deflated inflater;
  private final byte[] input = new byte[64 << 10];
  private int position;
  private int limit;
  private boolean inMember;
  private boolean ended;

  GzipStream(InputStream packed) {
    this(packed, Deflated.fastest());
  }

  /** One that unpacks with {@code inflater}, and closes it. */
  GzipStream(InputStream packed, Deflated inflater) {
    this.packed = packed;
    this.inflater = inflater;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] target, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    while (!ended) {
      if (!inMember) {
        startMember();
        continue;
      }
      int count = inflate(target, offset, length);
      if (count > 0) {
        return count;
      }
      if (inflater.finished()) {
        position -= inflater.remaining();
        skip(TRAILER);
        inMember = false;
      } else {
        if (position == limit && !fill()) {
          throw damaged("it ends in the middle", null);
        }
        position += inflater.input(input, position, limit - position);
      }
    }
    return -1;
  }

  private int inflate(byte[] target, int offset, int length) {
    try {
      return inflater.inflate(target, offset, length);
    } catch (DataFormatException failure) {
      throw damaged(StageletException.reason(failure), failure);
    }
  }

  private void startMember() throws IOException {
    int first = next();
    if (first < 0) {
      ended = true;
      return;
    }
    if (first == 0) {
      // padding after the last member, as some tapes and tools have it
      int after = next();
      while (after == 0) {
        after = next();
      }
      if (after >= 0) {
        throw damaged("there is something after its end", null);
      }
      ended = true;
      return;
    }
    if (first != 0x1f || required() != 0x8b || required() != DEFLATE) {
      throw damaged("there is something else where a member should start", null);
    }
    int flags = required();
    if ((flags & RESERVED) != 0) {
      throw damaged("its header is of an unknown kind", null);
    }
    // time, extra flags, operating system
    skip(6);
    if ((flags & EXTRA) != 0) {
      skip(required() | required() << 8);
    }
    if ((flags & NAME) != 0) {
      skipText();
    }
    if ((flags & COMMENT) != 0) {
      skipText();
    }
    if ((flags & HEADER_CRC) != 0) {
      skip(2);
    }
    inflater.reset();
    inMember = true;
  }

  private void skipText() throws IOException {
    while (required() != 0) {}
  }

  private void skip(int count) throws IOException {
    for (int i = 0; i < count; i++) {
      int skipped = required();
      assert skipped >= 0;
    }
  }

  private int required() throws IOException {
    int next = next();
    if (next < 0) {
      throw damaged("it ends in the middle", null);
    }
    return next;
  }

  private int next() throws IOException {
    if (position == limit && !fill()) {
      return -1;
    }
    return input[position++] & 0xff;
  }

  private boolean fill() throws IOException {
    position = 0;
    limit = Math.max(0, packed.read(input, 0, input.length));
    return limit > 0;
  }

  private static StageletException damaged(
      String why, @org.jspecify.annotations.Nullable Throwable cause) {
    return new StageletException(ErrorCode.DATA_LOSS, "the gzip stream is damaged: " + why, cause);
  }

  /** Frees the memory. */
  @Override
  public void close() throws IOException {
    inflater.close();
    packed.close();
  }
}
