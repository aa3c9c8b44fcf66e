package io.stagelet.stage0;

import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import io.stagelet.linux.TreeUsage;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;

/**
 * What a layer's regular files held when it was unpacked: their sizes and checksums, so that damage
 * to them can be found later. For one thread.
 */
final class LayerContents {
  /** A file's size, and the CRC-32C of its bytes; -1 where that is not known (sparse files). */
  private record Content(long size, long checksum) {}

  private static final int LONGEST_PATH = 4096;
  private static final int MOST_FINDINGS = 20;
  private static final long UNKNOWN = -1;

  private final NavigableMap<String, Content> files = new TreeMap<>();
  private final Set<String> links = new HashSet<>();
  private boolean ambiguous;

  /** A regular file was written. */
  void file(TreePath path, long size, Optional<CRC32C> checksum) {
    other(path);
    for (TreePath above = path.parent(); !above.isRoot(); above = above.parent()) {
      // the same file has two paths: what is written by one would be missed by the other
      ambiguous |= !links.isEmpty() && links.contains(above.raw());
    }
    files.put(path.raw(), new Content(size, checksum.map(CRC32C::getValue).orElse(UNKNOWN)));
  }

  /** Something else than a file or a directory took the place of what was there. */
  void other(TreePath path) {
    files.remove(path.raw());
    files.subMap(path.raw() + "/", path.raw() + "0").clear();
  }

  /** A symbolic link was made. */
  void link(TreePath path) {
    other(path);
    links.add(path.raw());
  }

  /** A directory was made, or was there. */
  void directory(TreePath path) {
    files.remove(path.raw());
  }

  /** Writes what is known to a file. */
  void write(Path file) throws IOException {
    Deflater deflater = new Deflater(Deflater.BEST_SPEED);
    try (DataOutputStream output =
        new DataOutputStream(
            new BufferedOutputStream(
                new DeflaterOutputStream(Files.newOutputStream(file), deflater)))) {
      output.writeBoolean(ambiguous);
      if (!ambiguous) {
        for (Map.Entry<String, Content> entry : files.entrySet()) {
          byte[] path = entry.getKey().getBytes(StandardCharsets.ISO_8859_1);
          output.writeShort(path.length);
          output.write(path);
          output.writeLong(entry.getValue().size());
          output.writeLong(entry.getValue().checksum());
        }
      }
    } finally {
      deflater.end();
    }
  }

  /**
   * Looks for damage.
   *
   * @param record what {@link #write} wrote
   * @param directory where the layer's files are
   * @param room what the layer took when it was unpacked
   * @param contents whether the files are read, or only looked at
   * @return what is wrong; empty when nothing is
   */
  static List<String> damage(
      Path record, Path directory, ConfinedTree.Room room, boolean contents) {
    List<String> found = new ArrayList<>();
    try (DataInputStream input =
        new DataInputStream(
            new BufferedInputStream(new InflaterInputStream(Files.newInputStream(record))))) {
      long inodes = TreeUsage.of(directory).inodes();
      if (inodes != room.inodes()) {
        found.add(
            "it has %d files and directories, and should have %d".formatted(inodes, room.inodes()));
      }
      if (!input.readBoolean()) {
        compare(input, directory, contents, found);
      }
    } catch (IOException | StageletException unreadable) {
      found.add("it cannot be read: " + StageletException.reason(unreadable));
    }
    return found;
  }

  private static void compare(
      DataInputStream input, Path directory, boolean contents, List<String> found)
      throws IOException {
    byte[] buffer = new byte[128 << 10];
    while (found.size() < MOST_FINDINGS) {
      int length;
      try {
        length = input.readUnsignedShort();
      } catch (EOFException end) {
        return;
      }
      if (length > LONGEST_PATH) {
        throw new IOException("its record of files is damaged");
      }
      TreePath path = TreePath.of(input.readNBytes(length));
      Content expected = new Content(input.readLong(), input.readLong());
      try (FileChannel file = ConfinedFiles.openRaw(directory, path.raw()).orElse(null)) {
        if (file == null) {
          found.add(path + " is missing");
          continue;
        }
        compare(path, expected, file, contents, buffer, found);
      }
    }
  }

  private static void compare(
      TreePath path,
      Content expected,
      FileChannel file,
      boolean contents,
      byte[] buffer,
      List<String> found)
      throws IOException {
    if (file.size() != expected.size()) {
      found.add(
          "%s has %d bytes, and should have %d".formatted(path, file.size(), expected.size()));
      return;
    }
    if (!contents || expected.checksum() == UNKNOWN) {
      return;
    }
    CRC32C checksum = new CRC32C();
    ByteBuffer bytes = ByteBuffer.wrap(buffer);
    while (file.read(bytes.clear()) >= 0) {
      checksum.update(bytes.flip());
    }
    if (checksum.getValue() != expected.checksum()) {
      found.add(path + " has other content");
    }
  }
}
