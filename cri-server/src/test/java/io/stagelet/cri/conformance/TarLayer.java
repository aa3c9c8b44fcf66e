package io.stagelet.cri.conformance;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * An uncompressed image layer under construction: a ustar archive, as POSIX describes it. Paths are
 * at most 100 bytes and have no leading slash.
 */
final class TarLayer {
  private static final int BLOCK = 512;

  private final ByteArrayOutputStream archive = new ByteArrayOutputStream();

  /** What a header says of an entry besides its name, size and kind. */
  record Owner(int uid, int gid, int mode) {}

  TarLayer folder(String path, int mode) {
    return folder(path, new Owner(0, 0, mode));
  }

  TarLayer folder(String path, Owner owner) {
    return entry(path + "/", '5', "", owner, new byte[0]);
  }

  TarLayer file(String path, String content) {
    return file(path, new Owner(0, 0, 0644), content.getBytes(StandardCharsets.UTF_8));
  }

  TarLayer file(String path, Owner owner, byte[] content) {
    return entry(path, '0', "", owner, content);
  }

  TarLayer symlink(String path, String target) {
    return entry(path, '2', target, new Owner(0, 0, 0777), new byte[0]);
  }

  /** Another name for a file that was added before. */
  TarLayer hardLink(String path, String existing) {
    return entry(path, '1', existing, new Owner(0, 0, 0644), new byte[0]);
  }

  /** Hides what lower layers have at {@code folder/name}. */
  TarLayer whiteout(String folder, String name) {
    return file(folder + "/.wh." + name, "");
  }

  /** Hides all that lower layers have in a folder. */
  TarLayer opaque(String folder) {
    return file(folder + "/.wh..wh..opq", "");
  }

  /** The archive, ended. */
  byte[] bytes() {
    byte[] entries = archive.toByteArray();
    return java.util.Arrays.copyOf(entries, entries.length + 2 * BLOCK);
  }

  private TarLayer entry(String path, char kind, String target, Owner owner, byte[] content) {
    byte[] header = new byte[BLOCK];
    text(header, 0, 100, path);
    octal(header, 100, 8, owner.mode());
    octal(header, 108, 8, owner.uid());
    octal(header, 116, 8, owner.gid());
    octal(header, 124, 12, content.length);
    octal(header, 136, 12, 1_700_000_000L);
    header[156] = (byte) kind;
    text(header, 157, 100, target);
    text(header, 257, 6, "ustar");
    text(header, 263, 2, "00");
    // the checksum is taken with its own field full of spaces
    java.util.Arrays.fill(header, 148, 156, (byte) ' ');
    int sum = 0;
    for (byte each : header) {
      sum += Byte.toUnsignedInt(each);
    }
    octal(header, 148, 7, sum);
    archive.writeBytes(header);
    archive.writeBytes(content);
    archive.writeBytes(new byte[Math.floorMod(-content.length, BLOCK)]);
    return this;
  }

  private static void text(byte[] header, int at, int length, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > length) {
      throw new IllegalArgumentException("too long for a ustar header: " + text);
    }
    System.arraycopy(bytes, 0, header, at, bytes.length);
  }

  /** Right-aligned, with zeros in front and a NUL behind. */
  private static void octal(byte[] header, int at, int length, long number) {
    String digits = Long.toOctalString(number);
    text(header, at, length - 1, "0".repeat(length - 1 - digits.length()) + digits);
    header[at + length - 1] = 0;
  }
}
