package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TarReaderTest {
  private record Read(TarEntry entry, byte[] data) {}

  private static Map<String, Read> read(byte[] archive) throws IOException {
    TarReader reader = new TarReader(new ByteArrayInputStream(archive));
    Map<String, Read> entries = new LinkedHashMap<>();
    for (TarEntry entry = reader.next(); entry != null; entry = reader.next()) {
      entries.put(entry.path().raw(), new Read(entry, data(reader, entry)));
    }
    reader.drain();
    return entries;
  }

  /** A file's content, holes filled with zeros. */
  private static byte[] data(TarReader reader, TarEntry entry) throws IOException {
    if (!(entry.kind() instanceof TarEntry.Kind.File file)) {
      return new byte[0];
    }
    if (file.size() > 1 << 22) {
      return new byte[0];
    }
    byte[] content = new byte[(int) file.size()];
    for (TarEntry.Extent extent : file.extents()) {
      int at = (int) extent.offset();
      int end = at + (int) extent.length();
      while (at < end) {
        int count = reader.read(content, at, end - at);
        if (count < 0) {
          throw new IOException("less data than said");
        }
        at += count;
      }
    }
    return content;
  }

  private static Read at(Map<String, Read> entries, String path) {
    return java.util.Objects.requireNonNull(entries.get(path), path);
  }

  private static TarEntry only(byte[] archive) throws IOException {
    Map<String, Read> entries = read(archive);
    assertThat(entries).hasSize(1);
    return entries.values().iterator().next().entry();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--format=v7",
        "--format=ustar",
        "--format=oldgnu",
        "--format=gnu",
        "--format=posix",
        "--format=gnu --sparse",
        "--format=posix --sparse --sparse-version=0.0",
        "--format=posix --sparse --sparse-version=0.1",
        "--format=posix --sparse --sparse-version=1.0"
      })
  void whatGnuTarWritesIsRead(String options, @TempDir Path temp) throws IOException {
    Path tree = Files.createDirectory(temp.resolve("tree"));
    Files.writeString(tree.resolve("file"), "content");
    Files.createDirectory(tree.resolve("d"));
    // not through Java, whose names depend on the locale
    Command.of("sh", "-c", "touch \"$0\"/d/$(printf '\\377')", tree.toString()).runChecked();
    Files.createSymbolicLink(tree.resolve("link"), Path.of("d/../file"));
    Files.createLink(tree.resolve("zhard"), tree.resolve("file"));
    boolean shortNames = options.contains("v7") || options.contains("ustar");
    String deep = ("n".repeat(shortNames ? 20 : 90) + "/").repeat(shortNames ? 3 : 4) + "end";
    Files.createDirectories(tree.resolve(deep).getParent());
    Files.writeString(tree.resolve(deep), "deep");
    byte[] sparse = new byte[3 << 20];
    try (RandomAccessFile file = new RandomAccessFile(tree.resolve("sparse").toFile(), "rw")) {
      for (int at = 1 << 16; at < sparse.length; at += 1 << 17) {
        sparse[at] = (byte) at;
        sparse[at + 1] = 'x';
        file.seek(at);
        file.write(sparse, at, 2);
      }
      file.setLength(sparse.length);
    }
    Files.setLastModifiedTime(
        tree.resolve("file"), FileTime.from(Instant.ofEpochSecond(1_500_000_000, 123_456_789)));
    List<String> arguments = new ArrayList<>(List.of("tar", "--create", "--sort=name"));
    arguments.addAll(List.of(options.split(" ")));
    arguments.addAll(List.of("-C", tree.toString(), "-f", temp.resolve("t").toString(), "."));
    Command.of(arguments).runChecked();

    Map<String, Read> entries = read(Files.readAllBytes(temp.resolve("t")));

    assertThat(at(entries, "").entry().kind()).isEqualTo(new TarEntry.Kind.Directory());
    assertThat(at(entries, "file").data()).isEqualTo("content".getBytes(UTF_8));
    assertThat(at(entries, "file").entry().attributes().mtimeSeconds()).isEqualTo(1_500_000_000);
    assertThat(at(entries, "file").entry().attributes().mtimeNanos())
        .isEqualTo(options.contains("posix") ? 123_456_789 : 0);
    assertThat(at(entries, "d/\u00ff").data()).isEmpty();
    assertThat(at(entries, "link").entry().kind())
        .isEqualTo(new TarEntry.Kind.SymbolicLink("d/../file"));
    assertThat(at(entries, "zhard").entry().kind())
        .isInstanceOfSatisfying(
            TarEntry.Kind.HardLink.class, l -> assertThat(l.target().raw()).isEqualTo("file"));
    assertThat(at(entries, deep).data()).isEqualTo("deep".getBytes(UTF_8));
    assertThat(at(entries, "sparse").data()).isEqualTo(sparse);
    if (options.contains("sparse")) {
      TarEntry.Kind.File file = (TarEntry.Kind.File) at(entries, "sparse").entry().kind();
      assertThat(file.extents()).hasSizeGreaterThan(10);
    }
  }

  @Test
  void binaryExtendedAttributesKeepEveryByte() throws IOException {
    StringBuilder all = new StringBuilder();
    for (char c = 0; c < 256; c++) {
      all.append(c);
    }
    TarEntry entry =
        only(
            new TarBuilder()
                .pax(
                    Map.of(
                        "SCHILY.xattr.security.capability", all.toString(),
                        "SCHILY.xattr.user.a=b", "c=d\n",
                        "SCHILY.xattr.user.empty", "",
                        "comment", "x"))
                .file("f", "")
                .build());

    // the key ends at the first equals sign, as POSIX says
    assertThat(entry.attributes().xattrs())
        .containsOnlyKeys("security.capability", "user.a", "user.empty");
    assertThat(entry.attributes().xattrs().get("security.capability"))
        .isEqualTo(all.toString().getBytes(ISO_8859_1));
    assertThat(entry.attributes().xattrs().get("user.a")).isEqualTo("b=c=d\n".getBytes(ISO_8859_1));
  }

  @Test
  void extendedHeadersWinOverShortFieldsAndHoldForOneEntry() throws IOException {
    Map<String, Read> entries =
        read(
            new TarBuilder()
                .pax(
                    Map.of(
                        "path", "long/name",
                        "uid", "3000000",
                        "gid", "4000000",
                        "size", "3",
                        "mtime", "-1.5"))
                .entry('0', "short", "", 0, "abc".getBytes(UTF_8), 0, 0)
                .file("next", "")
                .build());

    TarEntry first = at(entries, "long/name").entry();
    assertThat(first.attributes().uid()).isEqualTo(3_000_000);
    assertThat(first.attributes().gid()).isEqualTo(4_000_000);
    assertThat(first.attributes().mtimeSeconds()).isEqualTo(-2);
    assertThat(first.attributes().mtimeNanos()).isEqualTo(500_000_000);
    assertThat(at(entries, "long/name").data()).isEqualTo("abc".getBytes(UTF_8));
    assertThat(at(entries, "next").entry().attributes().uid()).isZero();
  }

  @Test
  void numbersInBase256AreRead() throws IOException {
    byte[] archive = new TarBuilder().file("f", "").build();
    archive[108] = (byte) 0x80;
    archive[109] = 0;
    archive[110] = 0;
    archive[111] = 0;
    archive[112] = 0x12;
    archive[113] = 0x34;
    archive[114] = 0x56;
    archive[115] = 0x78;
    // a time of -1
    java.util.Arrays.fill(archive, 136, 148, (byte) 0xff);
    System.arraycopy(
        TarBuilder.withChecksum(java.util.Arrays.copyOf(archive, 512)), 0, archive, 0, 512);

    TarEntry entry = only(archive);

    assertThat(entry.attributes().uid()).isEqualTo(0x12345678L);
    assertThat(entry.attributes().mtimeSeconds()).isEqualTo(-1);
  }

  @Test
  void devicesPipesAndSetUserIdAreRead() throws IOException {
    Map<String, Read> entries =
        read(
            new TarBuilder()
                .as(04755, 1, 2)
                .node('3', "c", 5, 1)
                .node('4', "b", 8, 17)
                .node('6', "p", 0, 0)
                .build());

    assertThat(at(entries, "c").entry().kind()).isEqualTo(new TarEntry.Kind.CharacterDevice(5, 1));
    assertThat(at(entries, "b").entry().kind()).isEqualTo(new TarEntry.Kind.BlockDevice(8, 17));
    assertThat(at(entries, "p").entry().kind()).isEqualTo(new TarEntry.Kind.Fifo());
    assertThat(at(entries, "p").entry().attributes().mode()).isEqualTo(04755);
  }

  @Test
  void globalHeadersAndVolumeNamesAreSkipped() throws IOException {
    byte[] comment = "14 comment=hi\n".getBytes(UTF_8);

    assertThat(
            read(
                new TarBuilder()
                    .entry('g', "pax_global_header", "", comment.length, comment, 0, 0)
                    .entry('V', "volume", "", 0, new byte[0], 0, 0)
                    .file("f", "x")
                    .build()))
        .containsOnlyKeys("f");
  }

  @Test
  void anArchiveMayEndWithoutItsMark() throws IOException {
    byte[] archive = new TarBuilder().file("f", "x").build();

    assertThat(read(java.util.Arrays.copyOf(archive, 1024))).containsOnlyKeys("f");
    assertThat(read(java.util.Arrays.copyOf(archive, 513))).containsOnlyKeys("f");
    assertThat(read(new byte[0])).isEmpty();
  }

  @Test
  void damageIsDataLoss() {
    List<byte[]> damaged =
        List.of(
            // cut off in a header, in data
            java.util.Arrays.copyOf(new TarBuilder().file("f", "x").build(), 100),
            java.util.Arrays.copyOf(new TarBuilder().file("f", "xyz").build(), 514),
            // absurd sizes
            new TarBuilder().entry('0', "f", "", 1L << 33, new byte[1], 0, 0).build(),
            new TarBuilder().pax(Map.of("size", "9223372036854775807")).file("f", "").build(),
            new TarBuilder().pax(Map.of("size", "-1")).file("f", "").build(),
            new TarBuilder().entry('x', "f", "", 1L << 30, new byte[1], 0, 0).build(),
            new TarBuilder().entry('L', "f", "", 1L << 30, new byte[1], 0, 0).build(),
            // broken extended headers
            new TarBuilder().rawPax("99 a=b\n").file("f", "").build(),
            new TarBuilder().rawPax("6 a=b").file("f", "").build(),
            new TarBuilder().rawPax("x a=b\n").file("f", "").build(),
            new TarBuilder().rawPax("5 =b\n").file("f", "").build(),
            new TarBuilder().rawPax("4 a\n").file("f", "").build(),
            new TarBuilder().rawPax("0 a=b\n").file("f", "").build(),
            new TarBuilder().pax(Map.of("mtime", "1e999999999")).file("f", "").build(),
            new TarBuilder().pax(Map.of("uid", "4294967295")).file("f", "").build(),
            new TarBuilder().pax(Map.of("uid", "99999999999999999999")).file("f", "").build(),
            new TarBuilder().pax(Map.of("path", "a\0b")).file("f", "").build(),
            // maps of sparse files that do not fit
            new TarBuilder()
                .pax(Map.of("GNU.sparse.map", "0,1,0,1", "GNU.sparse.size", "9"))
                .file("f", "ab")
                .build(),
            new TarBuilder()
                .pax(Map.of("GNU.sparse.map", "8,9", "GNU.sparse.size", "9"))
                .file("f", "ab")
                .build(),
            new TarBuilder()
                .pax(
                    Map.of(
                        "GNU.sparse.map",
                        "9223372036854775800,100",
                        "GNU.sparse.size",
                        "9223372036854775807"))
                .file("f", "ab")
                .build(),
            // a wrong checksum, an unknown type, something after the end
            new TarBuilder().file("f", "x").raw(new byte[511]).raw(new byte[] {1}).build(),
            new TarBuilder().entry('Z', "f", "", 0, new byte[0], 0, 0).build(),
            new TarBuilder().raw(new byte[512]).file("f", "x").build());

    for (byte[] archive : damaged) {
      assertThatThrownBy(() -> read(archive))
          .as("archive %d", damaged.indexOf(archive))
          .isInstanceOf(StageletException.class)
          .extracting(e -> ((StageletException) e).code())
          .isEqualTo(ErrorCode.DATA_LOSS);
    }
  }

  @Test
  void whateverTheBytesTheReaderEndsAndSaysWhatIsWrong() throws IOException {
    byte[] good =
        new TarBuilder()
            .pax(Map.of("path", "a/b", "SCHILY.xattr.user.x", "1", "mtime", "1.5"))
            .file("f", "content")
            .gnuLong('L', "some/long/name")
            .gnuLong('K', "some/long/target")
            .symlink("l", "t")
            .pax(Map.of("GNU.sparse.map", "0,1,5,1", "GNU.sparse.size", "9"))
            .file("s", "ab")
            .pax(
                Map.of(
                    "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "9"))
            .file("s1", ("1\n4\n2\n" + "\0".repeat(506) + "ab").getBytes(ISO_8859_1))
            .entry('S', "g", "", 0, new byte[0], 0, 0)
            .hardLink("h", "a/b")
            .directory("d/")
            .build();
    Random random = new Random(20240101);
    int refused = 0;
    for (int round = 0; round < 10_000; round++) {
      byte[] mutant = good.clone();
      for (int change = random.nextInt(4); change >= 0; change--) {
        int at = random.nextInt(mutant.length);
        switch (random.nextInt(4)) {
          case 0 -> mutant[at] = (byte) random.nextInt(256);
          case 1 -> mutant[at] ^= (byte) (1 << random.nextInt(8));
          case 2 -> mutant[at] = (byte) ('0' + random.nextInt(10));
          default -> {
            int from = random.nextInt(mutant.length);
            int length = Math.min(mutant.length - Math.max(at, from), random.nextInt(600));
            System.arraycopy(good, from, mutant, at, length);
          }
        }
      }
      // most mutants would die at the checksum: mend those of headers
      if (random.nextBoolean()) {
        mend(mutant);
      }
      if (random.nextInt(10) == 0) {
        mutant = java.util.Arrays.copyOf(mutant, random.nextInt(mutant.length));
      }
      try {
        read(mutant);
      } catch (StageletException | IOException expected) {
        refused++;
      }
    }
    assertThat(refused).isBetween(1_000, 9_999);
  }

  private static void mend(byte[] archive) {
    ByteArrayOutputStream mended = new ByteArrayOutputStream();
    for (int at = 0; at + 512 <= archive.length; at += 512) {
      byte[] block = java.util.Arrays.copyOfRange(archive, at, at + 512);
      boolean header = block[257] == 'u' && block[258] == 's';
      mended.writeBytes(header ? TarBuilder.withChecksum(block) : block);
    }
    System.arraycopy(mended.toByteArray(), 0, archive, 0, mended.size());
  }
}
