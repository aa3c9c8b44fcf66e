package io.stagelet.cri.command;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Reads the journal's export format (systemd.io, "Journal Export Formats"), which keeps each byte:
 * {@code NAME=value\n}, or {@code NAME\n}, the length as 64 bits in little endian, the value,
 * {@code \n}; an empty line after each entry.
 */
final class ExportFormat {
  /** The longest field that journald takes is 768 MiB; one that we show is not that long. */
  private static final long LONGEST_FIELD = 256 << 20;

  private final InputStream input;

  ExportFormat(InputStream input) {
    this.input = new BufferedInputStream(input, 64 << 10);
  }

  /** The next entry; empty at the end, and where the last one is cut off. */
  Optional<RecordedEntry> next() throws IOException {
    Map<String, byte[]> fields = new HashMap<>();
    while (true) {
      byte[] line = line();
      if (line.length == 0) {
        return fields.isEmpty() ? Optional.empty() : Optional.of(new RecordedEntry(fields));
      }
      int equals = indexOfEquals(line);
      if (equals >= 0) {
        byte[] value = new byte[line.length - equals - 1];
        System.arraycopy(line, equals + 1, value, 0, value.length);
        fields.put(name(line, equals), value);
      } else {
        fields.put(name(line, line.length), value());
      }
    }
  }

  private byte[] value() throws IOException {
    byte[] head = input.readNBytes(Long.BYTES);
    if (head.length < Long.BYTES) {
      throw new EOFException("the journal's export ends within a field");
    }
    long length = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 0 || length > LONGEST_FIELD) {
      throw new IOException("the journal's export has a field of %d bytes".formatted(length));
    }
    byte[] value = input.readNBytes((int) length);
    if (value.length < length || input.read() != '\n') {
      throw new EOFException("the journal's export ends within a field");
    }
    return value;
  }

  private byte[] line() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = input.read(); b != '\n' && b >= 0; b = input.read()) {
      line.write(b);
    }
    return line.toByteArray();
  }

  private static int indexOfEquals(byte[] line) {
    for (int i = 0; i < line.length; i++) {
      if (line[i] == '=') {
        return i;
      }
    }
    return -1;
  }

  private static String name(byte[] line, int length) {
    return new String(line, 0, length, StandardCharsets.US_ASCII);
  }
}
