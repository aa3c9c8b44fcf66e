package io.stagelet.journal;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The form of an entry on journald's socket (systemd.io, "Native Journal Protocol"): {@code
 * NAME=value\n}, or, where the value has a line feed in it, {@code NAME\n}, the value's length as
 * 64 bits in little endian, the value, {@code \n}.
 */
final class NativeProtocol {
  private static final int MAXIMUM_NAME = 64;

  private NativeProtocol() {}

  /**
   * Checks a field's name: at most 64 of A–Z, 0–9 and underscore, neither a digit nor an underscore
   * first (such names are journald's own). journald drops a field with another name silently.
   *
   * @return the name
   */
  static String checkName(String name) {
    if (!isName(name)) {
      throw new IllegalArgumentException(
          "\"%s\" cannot name a journal field: 1 to 64 of A-Z, 0-9 and _, a letter first"
              .formatted(name));
    }
    return name;
  }

  /** Whether a field may have this name; see {@link #checkName}. */
  static boolean isName(String name) {
    boolean right = !name.isEmpty() && name.length() <= MAXIMUM_NAME;
    for (int i = 0; right && i < name.length(); i++) {
      char c = name.charAt(i);
      right = (c >= 'A' && c <= 'Z') || (i > 0 && ((c >= '0' && c <= '9') || c == '_'));
    }
    return right;
  }

  /** Appends a field. The name has been checked. */
  static void append(ByteArrayOutputStream to, String name, byte[] value) {
    to.writeBytes(name.getBytes(StandardCharsets.US_ASCII));
    if (contains(value, (byte) '\n')) {
      to.write('\n');
      to.writeBytes(
          ByteBuffer.allocate(Long.BYTES)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putLong(value.length)
              .array());
    } else {
      to.write('=');
    }
    to.writeBytes(value);
    to.write('\n');
  }

  private static boolean contains(byte[] bytes, byte searched) {
    for (byte b : bytes) {
      if (b == searched) {
        return true;
      }
    }
    return false;
  }
}
