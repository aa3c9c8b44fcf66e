package io.stagelet.stage0;

import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.TreePath;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * Writes a tar archive: ustar, with PAX records for what does not fit. The same content gives the
 * same bytes. For one thread.
 */
final class TarWriter {
  /** What an entry is. */
  enum Type {
    FILE('0'),
    HARD_LINK('1'),
    SYMBOLIC_LINK('2'),
    CHARACTER_DEVICE('3'),
    BLOCK_DEVICE('4'),
    DIRECTORY('5'),
    FIFO('6');

    private final char flag;

    Type(char flag) {
      this.flag = flag;
    }
  }

  private static final int BLOCK = 512;
  private static final int NAME = 100;
  private static final long LARGEST_SIZE = 077777777777L;
  private static final long LARGEST_ID = 07777777L;

  private final OutputStream output;

  TarWriter(OutputStream output) {
    this.output = output;
  }

  /**
   * Writes an entry's header. After a file's, write as many bytes as {@code size} says, and then
   * {@link #pad}.
   *
   * @param link raw, what a link leads to; empty for others
   */
  void entry(
      TreePath path,
      Type type,
      FileAttributes attributes,
      long size,
      String link,
      int major,
      int minor)
      throws IOException {
    String name = path.raw() + (type == Type.DIRECTORY && !path.isRoot() ? "/" : "");
    if (path.isRoot()) {
      name = "./";
    }
    Map<String, byte[]> records = new TreeMap<>();
    if (name.length() > NAME || !ascii(name)) {
      records.put("path", raw(name));
    }
    if (link.length() > NAME || !ascii(link)) {
      records.put("linkpath", raw(link));
    }
    number(records, "size", size, LARGEST_SIZE);
    number(records, "uid", attributes.uid(), LARGEST_ID);
    number(records, "gid", attributes.gid(), LARGEST_ID);
    boolean plainTime =
        attributes.mtimeNanos() == 0
            && attributes.mtimeSeconds() >= 0
            && attributes.mtimeSeconds() <= LARGEST_SIZE;
    if (!plainTime) {
      records.put("mtime", raw(time(attributes)));
    }
    attributes
        .xattrs()
        .forEach((attribute, value) -> records.put("SCHILY.xattr." + attribute, value));
    if (!records.isEmpty()) {
      extended(records);
    }
    output.write(
        header(
            name,
            type.flag,
            attributes.mode(),
            Math.min(attributes.uid(), LARGEST_ID),
            Math.min(attributes.gid(), LARGEST_ID),
            Math.min(size, LARGEST_SIZE),
            Math.clamp(attributes.mtimeSeconds(), 0, LARGEST_SIZE),
            link,
            major,
            minor));
  }

  /** Ends a file's content of {@code size} bytes. */
  void pad(long size) throws IOException {
    output.write(new byte[(int) ((BLOCK - size % BLOCK) % BLOCK)]);
  }

  /** Ends the archive. */
  void end() throws IOException {
    output.write(new byte[2 * BLOCK]);
  }

  private static void number(Map<String, byte[]> records, String key, long value, long largest) {
    if (value > largest) {
      records.put(key, raw(Long.toString(value)));
    }
  }

  private static String time(FileAttributes attributes) {
    long seconds = attributes.mtimeSeconds();
    int nanos = attributes.mtimeNanos();
    if (seconds < 0 && nanos > 0) {
      return "-%d.%09d".formatted(-(seconds + 1), 1_000_000_000 - nanos);
    }
    return nanos == 0 ? Long.toString(seconds) : "%d.%09d".formatted(seconds, nanos);
  }

  private void extended(Map<String, byte[]> records) throws IOException {
    var content = new java.io.ByteArrayOutputStream();
    records.forEach((key, value) -> {
      int size = key.getBytes(StandardCharsets.UTF_8).length + value.length + 3;
      int length = size + Integer.toString(size).length();
      length = size + Integer.toString(length).length();
      content.writeBytes((length + " " + key + "=").getBytes(StandardCharsets.UTF_8));
      content.writeBytes(value);
      content.write('\n');
    });
    output.write(header("PaxHeader", 'x', 0644, 0, 0, content.size(), 0, "", 0, 0));
    output.write(content.toByteArray());
    pad(content.size());
  }

  private static byte[] header(
      String name,
      char type,
      int mode,
      long uid,
      long gid,
      long size,
      long time,
      String link,
      int major,
      int minor) {
    byte[] header = new byte[BLOCK];
    put(header, 0, cut(name));
    put(header, 100, "%07o".formatted(mode));
    put(header, 108, "%07o".formatted(uid));
    put(header, 116, "%07o".formatted(gid));
    put(header, 124, "%011o".formatted(size));
    put(header, 136, "%011o".formatted(time));
    put(header, 148, "        ");
    header[156] = (byte) type;
    put(header, 157, cut(link));
    put(header, 257, "ustar\00000");
    put(header, 329, "%07o".formatted(major));
    put(header, 337, "%07o".formatted(minor));
    int sum = 0;
    for (byte each : header) {
      sum += each & 0xff;
    }
    put(header, 148, "%06o\0 ".formatted(sum));
    return header;
  }

  private static String cut(String text) {
    return text.length() > NAME ? text.substring(0, NAME) : text;
  }

  private static boolean ascii(String text) {
    return text.chars().allMatch(c -> c < 128);
  }

  private static byte[] raw(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static void put(byte[] header, int at, String text) {
    byte[] bytes = raw(text);
    System.arraycopy(bytes, 0, header, at, bytes.length);
  }
}
