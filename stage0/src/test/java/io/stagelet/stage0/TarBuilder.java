package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.util.Map;

/** Makes tar archives for tests, good ones and bad ones. Names have one char per byte. */
final class TarBuilder {
  private final ByteArrayOutputStream archive = new ByteArrayOutputStream();
  private int mode = 0644;
  private int uid;
  private int gid;
  private long mtime = 1_600_000_000;

  /** Mode and owner of the entries that follow. */
  TarBuilder as(int mode, int uid, int gid) {
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    return this;
  }

  TarBuilder at(long mtime) {
    this.mtime = mtime;
    return this;
  }

  TarBuilder file(String name, String content) {
    return file(name, content.getBytes(ISO_8859_1));
  }

  TarBuilder file(String name, byte[] content) {
    return entry('0', name, "", content.length, content, 0, 0);
  }

  TarBuilder directory(String name) {
    return entry('5', name, "", 0, new byte[0], 0, 0);
  }

  TarBuilder symlink(String name, String text) {
    return entry('2', name, text, 0, new byte[0], 0, 0);
  }

  TarBuilder hardLink(String name, String target) {
    return entry('1', name, target, 0, new byte[0], 0, 0);
  }

  TarBuilder node(char type, String name, int major, int minor) {
    return entry(type, name, "", 0, new byte[0], major, minor);
  }

  /** An extended header for the next entry. */
  TarBuilder pax(Map<String, String> records) {
    StringBuilder text = new StringBuilder();
    records.forEach((key, value) -> text.append(record(key, value)));
    return rawPax(text.toString());
  }

  TarBuilder rawPax(String text) {
    byte[] data = text.getBytes(ISO_8859_1);
    return entry('x', "PaxHeader", "", data.length, data, 0, 0);
  }

  private static String record(String key, String value) {
    int size = key.length() + value.length() + 3;
    int length = size + Integer.toString(size).length();
    length = size + Integer.toString(length).length();
    return length + " " + key + "=" + value + "\n";
  }

  /** GNU's long name ('L') or link ('K') for the next entry. */
  TarBuilder gnuLong(char type, String name) {
    byte[] data = (name + "\0").getBytes(ISO_8859_1);
    return entry(type, "././@LongLink", "", data.length, data, 0, 0);
  }

  TarBuilder entry(
      char type, String name, String link, long size, byte[] data, int major, int minor) {
    byte[] header = new byte[512];
    put(header, 0, name);
    octal(header, 100, 8, mode);
    octal(header, 108, 8, uid);
    octal(header, 116, 8, gid);
    octal(header, 124, 12, size);
    octal(header, 136, 12, mtime);
    header[156] = (byte) type;
    put(header, 157, link);
    put(header, 257, "ustar\00000");
    octal(header, 329, 8, major);
    octal(header, 337, 8, minor);
    return raw(withChecksum(header)).raw(data).raw(new byte[(512 - data.length % 512) % 512]);
  }

  static byte[] withChecksum(byte[] header) {
    put(header, 148, "        ");
    int sum = 0;
    for (byte b : header) {
      sum += b & 0xff;
    }
    octal(header, 148, 8, sum);
    return header;
  }

  TarBuilder raw(byte[] bytes) {
    archive.writeBytes(bytes);
    return this;
  }

  /** The archive with the mark of its end. */
  byte[] build() {
    byte[] content = archive.toByteArray();
    byte[] whole = new byte[content.length + 1024];
    System.arraycopy(content, 0, whole, 0, content.length);
    return whole;
  }

  private static void octal(byte[] header, int at, int length, long value) {
    put(header, at, "%0" + (length - 1) + "o", value);
  }

  private static void put(byte[] header, int at, String format, long value) {
    put(header, at, String.format(format, value));
  }

  private static void put(byte[] header, int at, String text) {
    byte[] bytes = text.getBytes(ISO_8859_1);
    System.arraycopy(bytes, 0, header, at, Math.min(bytes.length, 100));
  }
}
