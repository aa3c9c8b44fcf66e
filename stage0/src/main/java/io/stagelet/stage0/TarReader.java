package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads a tar archive: v7, ustar, PAX (POSIX.1-2001, {@code pax}, "Extended Header") with binary
 * {@code SCHILY.xattr.*} values and sparse files (GNU 0.0, 0.1 and 1.0), and GNU with long names,
 * base-256 numbers and sparse files.
 *
 * <p>The archive may be hostile: whatever it holds, this ends with an entry, with the end, or with
 * {@code DATA_LOSS}, and takes no more memory than {@link #LARGEST_HEADER} and what depends on it.
 * For one thread.
 */
final class TarReader {
  /** The most that an extended header or a long name may take, in bytes. */
  static final int LARGEST_HEADER = 1 << 20;

  private static final int BLOCK = 512;
  private static final int MOST_EXTENTS = 100_000;
  private static final String XATTR = "SCHILY.xattr.";

  // where the fields of a header are, and how long
  private static final int NAME = 0;
  private static final int NAME_SIZE = 100;
  private static final int MODE = 100;
  private static final int UID = 108;
  private static final int GID = 116;
  private static final int ID_SIZE = 8;
  private static final int SIZE = 124;
  private static final int MTIME = 136;
  private static final int NUMBER_SIZE = 12;
  private static final int CHECKSUM = 148;
  private static final int TYPE = 156;
  private static final int LINK = 157;
  private static final int MAGIC = 257;
  private static final int MAJOR = 329;
  private static final int MINOR = 337;
  private static final int PREFIX = 345;
  private static final int PREFIX_SIZE = 155;
  private static final int GNU_EXTENTS = 386;
  private static final int GNU_EXTENTS_COUNT = 4;
  private static final int GNU_IS_EXTENDED = 482;
  private static final int GNU_REAL_SIZE = 483;
  private static final int GNU_MORE_EXTENTS_COUNT = 21;
  private static final int GNU_MORE_IS_EXTENDED = 504;

  private final InputStream archive;
  private final byte[] block = new byte[BLOCK];
  private final byte[] sink = new byte[16 << 10];

  /** Bytes of the current entry's data that were not read, and of the padding after it. */
  private long remaining;

  private int padding;
  private boolean ended;

  TarReader(InputStream archive) {
    this.archive = archive;
  }

  /** What the headers before an entry say of it; each may be missing. */
  private static final class Extended {
    private Map<String, String> pax = Map.of();
    private final List<TarEntry.Extent> extents = new ArrayList<>();
    private @Nullable String longName;
    private @Nullable String longLink;
  }

  /**
   * The next entry, null at the archive's end. Data of the last one that was not read is skipped.
   *
   * @throws StageletException {@code DATA_LOSS} when the archive is damaged
   */
  @Nullable TarEntry next() throws IOException {
    skipData();
    Extended extended = new Extended();
    while (readHeader()) {
      char type = (char) (block[TYPE] & 0xff);
      switch (type) {
        case 'x' -> {
          long size = number(SIZE, NUMBER_SIZE, "size");
          extended.pax = pax(headerData(size), extended.extents);
        }
        // nothing global is known to matter; git archives keep a comment there
        case 'g', 'V' -> {
          startData(number(SIZE, NUMBER_SIZE, "size"));
          skipData();
        }
        case 'L' -> extended.longName = untilNul(headerData(number(SIZE, NUMBER_SIZE, "size")));
        case 'K' -> extended.longLink = untilNul(headerData(number(SIZE, NUMBER_SIZE, "size")));
        default -> {
          return entry(type, extended);
        }
      }
    }
    return null;
  }

  /** Reads data of the current entry; -1 at its end. */
  int read(byte[] target, int offset, int length) throws IOException {
    if (remaining == 0) {
      return -1;
    }
    int count = archive.read(target, offset, (int) Math.min(length, remaining));
    if (count < 0) {
      throw damaged("it ends in the middle of a file");
    }
    remaining -= count;
    return count;
  }

  /**
   * Reads what comes after the archive's end, so that the source has been read to its own.
   *
   * @return how many bytes
   */
  long drain() throws IOException {
    long drained = 0;
    for (int count = archive.read(sink); count >= 0; count = archive.read(sink)) {
      drained += count;
    }
    return drained;
  }

  private TarEntry entry(char type, Extended extended) throws IOException {
    Map<String, String> pax = extended.pax;
    String name = name(extended);
    long size = size(pax);
    TarEntry.Kind kind =
        switch (type) {
          case '0', '\0', '7' ->
              // before there were types, a slash told
              name.endsWith("/") && type != '7'
                  ? new TarEntry.Kind.Directory()
                  : file(size, extended);
          case 'S' -> gnuSparse(size);
          case '1' -> new TarEntry.Kind.HardLink(path(linkName(extended)));
          case '2' -> new TarEntry.Kind.SymbolicLink(linkName(extended));
          case '3' ->
              new TarEntry.Kind.CharacterDevice(
                  number(MAJOR, ID_SIZE, "device"), number(MINOR, ID_SIZE, "device"));
          case '4' ->
              new TarEntry.Kind.BlockDevice(
                  number(MAJOR, ID_SIZE, "device"), number(MINOR, ID_SIZE, "device"));
          case '5' -> new TarEntry.Kind.Directory();
          case '6' -> new TarEntry.Kind.Fifo();
          default ->
              throw damaged(
                  "\"%s\" is of the unknown type 0x%02x".formatted(shown(name), (int) type));
        };
    return new TarEntry(path(name), kind, attributes(pax));
  }

  private FileAttributes attributes(Map<String, String> pax) {
    long seconds = number(MTIME, NUMBER_SIZE, "time");
    int nanos = 0;
    String mtime = pax.get("mtime");
    if (mtime != null) {
      BigDecimal time = decimal(mtime);
      BigDecimal whole = time.setScale(0, RoundingMode.FLOOR);
      seconds = toLong(whole, mtime);
      nanos = time.subtract(whole).movePointRight(9).intValue();
    }
    Map<String, byte[]> xattrs = new HashMap<>();
    pax.forEach((key, value) -> {
      if (key.startsWith(XATTR) && key.length() > XATTR.length()) {
        xattrs.put(
            new String(
                key.substring(XATTR.length()).getBytes(StandardCharsets.ISO_8859_1),
                StandardCharsets.UTF_8),
            value.getBytes(StandardCharsets.ISO_8859_1));
      }
    });
    long uid = pax.containsKey("uid") ? integer(pax, "uid") : number(UID, ID_SIZE, "owner");
    long gid = pax.containsKey("gid") ? integer(pax, "gid") : number(GID, ID_SIZE, "group");
    int mode = (int) (number(MODE, ID_SIZE, "mode") & 07777);
    return new FileAttributes(uid, gid, mode, seconds, nanos, xattrs);
  }

  private TarEntry.Kind file(long size, Extended extended) throws IOException {
    Map<String, String> pax = extended.pax;
    startData(size);
    if ("1".equals(pax.get("GNU.sparse.major")) && "0".equals(pax.get("GNU.sparse.minor"))) {
      List<TarEntry.Extent> extents = sparseMap();
      return sparse(integer(pax, "GNU.sparse.realsize"), extents);
    }
    if (pax.containsKey("GNU.sparse.map")) {
      return sparse(integer(pax, "GNU.sparse.size"), sparseMap(pax.get("GNU.sparse.map")));
    }
    if (pax.containsKey("GNU.sparse.numblocks")) {
      return sparse(integer(pax, "GNU.sparse.size"), extended.extents);
    }
    return new TarEntry.Kind.File(
        size, size == 0 ? List.of() : List.of(new TarEntry.Extent(0, size)));
  }

  /** The map stands before the data: lines of decimal numbers, padded to a block (GNU 1.0). */
  private List<TarEntry.Extent> sparseMap() throws IOException {
    long[] used = {0};
    long count = sparseNumber(used);
    if (count > MOST_EXTENTS) {
      throw damaged("a sparse file has more than %d parts".formatted(MOST_EXTENTS));
    }
    List<TarEntry.Extent> extents = new ArrayList<>();
    for (long i = 0; i < count; i++) {
      extents.add(new TarEntry.Extent(sparseNumber(used), sparseNumber(used)));
    }
    while (used[0] % BLOCK != 0) {
      sparseByte(used);
    }
    return extents;
  }

  private long sparseNumber(long[] used) throws IOException {
    long number = 0;
    int digits = 0;
    for (int next = sparseByte(used); next != '\n'; next = sparseByte(used)) {
      if (next < '0' || next > '9' || ++digits > 18) {
        throw damaged("the map of a sparse file is unreadable");
      }
      number = number * 10 + (next - '0');
    }
    return number;
  }

  private int sparseByte(long[] used) throws IOException {
    byte[] one = new byte[1];
    if (read(one, 0, 1) < 0) {
      throw damaged("the map of a sparse file is cut off");
    }
    used[0]++;
    return one[0];
  }

  /** Numbers with commas between them: offset, length, offset, length (GNU 0.1). */
  private static List<TarEntry.Extent> sparseMap(@Nullable String map) {
    List<TarEntry.Extent> extents = new ArrayList<>();
    if (map == null || map.isEmpty()) {
      return extents;
    }
    String[] numbers = map.split(",", -1);
    if (numbers.length % 2 != 0 || numbers.length > 2 * MOST_EXTENTS) {
      throw damaged("the map of a sparse file is unreadable");
    }
    for (int i = 0; i < numbers.length; i += 2) {
      extents.add(new TarEntry.Extent(integer(numbers[i]), integer(numbers[i + 1])));
    }
    return extents;
  }

  private TarEntry.Kind gnuSparse(long size) throws IOException {
    List<TarEntry.Extent> extents = new ArrayList<>();
    long real = number(GNU_REAL_SIZE, NUMBER_SIZE, "real size");
    // the header's block is read anew for each further part of the map; its other fields are kept
    byte[] header = block.clone();
    addGnuExtents(GNU_EXTENTS, GNU_EXTENTS_COUNT, extents);
    boolean more = block[GNU_IS_EXTENDED] != 0;
    while (more) {
      readBlock();
      addGnuExtents(0, GNU_MORE_EXTENTS_COUNT, extents);
      more = block[GNU_MORE_IS_EXTENDED] != 0;
    }
    System.arraycopy(header, 0, block, 0, BLOCK);
    startData(size);
    return sparse(real, extents);
  }

  private void addGnuExtents(int at, int count, List<TarEntry.Extent> extents) {
    for (int i = 0; i < count; i++) {
      int field = at + i * 2 * NUMBER_SIZE;
      if (block[field + NUMBER_SIZE] == 0) {
        return;
      }
      if (extents.size() >= MOST_EXTENTS) {
        throw damaged("a sparse file has more than %d parts".formatted(MOST_EXTENTS));
      }
      extents.add(
          new TarEntry.Extent(
              number(field, NUMBER_SIZE, "offset"),
              number(field + NUMBER_SIZE, NUMBER_SIZE, "length")));
    }
  }

  /** The parts must be in order, within the file, and as many bytes as follow. */
  private TarEntry.Kind sparse(long size, List<TarEntry.Extent> extents) {
    long end = 0;
    long data = 0;
    for (TarEntry.Extent extent : extents) {
      if (extent.offset() < end
          || extent.length() < 0
          || size < 0
          || extent.offset() > size - extent.length()) {
        throw damaged("the map of a sparse file does not fit the file");
      }
      end = extent.offset() + extent.length();
      data += extent.length();
    }
    if (data != remaining || size < 0) {
      throw damaged("the map of a sparse file does not fit its data");
    }
    return new TarEntry.Kind.File(size, extents);
  }

  private String name(Extended extended) {
    String name = extended.pax.get("GNU.sparse.name");
    if (name == null) {
      name = extended.pax.get("path");
    }
    if (name == null) {
      name = extended.longName;
    }
    if (name != null) {
      return name;
    }
    String last = text(NAME, NAME_SIZE);
    boolean ustar = block[MAGIC + 5] == 0 && text(MAGIC, 6).equals("ustar");
    String prefix = ustar ? text(PREFIX, PREFIX_SIZE) : "";
    return prefix.isEmpty() ? last : prefix + "/" + last;
  }

  private String linkName(Extended extended) {
    String link = extended.pax.get("linkpath");
    if (link == null) {
      link = extended.longLink;
    }
    return link == null ? text(LINK, NAME_SIZE) : link;
  }

  private long size(Map<String, String> pax) {
    long size = pax.containsKey("size") ? integer(pax, "size") : number(SIZE, NUMBER_SIZE, "size");
    if (size < 0) {
      throw damaged("a file has %d bytes".formatted(size));
    }
    return size;
  }

  private static TreePath path(String raw) {
    return TreePath.of(raw.getBytes(StandardCharsets.ISO_8859_1));
  }

  /** Records of the form "length key=value\n"; the length counts all of it. */
  private static Map<String, String> pax(byte[] data, List<TarEntry.Extent> extents) {
    Map<String, String> records = new HashMap<>();
    long offset = -1;
    int at = 0;
    while (at < data.length) {
      int digits = at;
      int length = 0;
      while (at < data.length && data[at] >= '0' && data[at] <= '9' && at - digits < 8) {
        length = length * 10 + (data[at++] - '0');
      }
      int end = digits + length;
      if (at == digits
          || at >= data.length
          || data[at] != ' '
          || end > data.length
          || end <= at + 1
          || data[end - 1] != '\n') {
        throw damaged("an extended header is unreadable");
      }
      int equals = at + 1;
      while (equals < end && data[equals] != '=') {
        equals++;
      }
      if (equals >= end || equals == at + 1) {
        throw damaged("an extended header has a record without a key or a value");
      }
      String key = new String(data, at + 1, equals - at - 1, StandardCharsets.ISO_8859_1);
      String value =
          new String(data, equals + 1, end - 1 - equals - 1, StandardCharsets.ISO_8859_1);
      at = end;
      switch (key) {
        // pairs of these make the map of a sparse file (GNU 0.0); the only keys that repeat
        case "GNU.sparse.offset" -> offset = integer(value);
        case "GNU.sparse.numbytes" -> {
          if (extents.size() >= MOST_EXTENTS) {
            throw damaged("a sparse file has more than %d parts".formatted(MOST_EXTENTS));
          }
          extents.add(new TarEntry.Extent(offset, integer(value)));
        }
        default -> {
          // an empty value takes an earlier one back, but an attribute may well be empty
          if (value.isEmpty() && !key.startsWith(XATTR)) {
            records.remove(key);
          } else {
            records.put(key, value);
          }
        }
      }
    }
    return records;
  }

  private static long integer(Map<String, String> pax, String key) {
    String value = pax.get(key);
    if (value == null) {
      throw damaged("an extended header lacks " + key);
    }
    return integer(value);
  }

  private static long integer(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException unreadable) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "the tar archive is damaged: \"%s\" is no number".formatted(shown(text)),
          unreadable);
    }
  }

  private static BigDecimal decimal(String text) {
    // a long text would take long, and an exponent much memory
    if (text.length() > 40 || !text.matches("-?[0-9]+(\\.[0-9]*)?")) {
      throw damaged("\"%s\" is no time".formatted(shown(text)));
    }
    return new BigDecimal(text.endsWith(".") ? text + "0" : text);
  }

  private static long toLong(BigDecimal number, String text) {
    try {
      return number.longValueExact();
    } catch (ArithmeticException tooLarge) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "the tar archive is damaged: the time %s is too large".formatted(shown(text)),
          tooLarge);
    }
  }

  /** Reads the next header into the block; false at the end of the archive. */
  private boolean readHeader() throws IOException {
    if (ended) {
      return false;
    }
    int count = archive.readNBytes(block, 0, BLOCK);
    if (count == 0) {
      ended = true;
      return false;
    }
    if (count < BLOCK) {
      throw damaged("it ends in the middle of a header");
    }
    if (isZero()) {
      count = archive.readNBytes(block, 0, BLOCK);
      if (count == 0 || (count == BLOCK && isZero())) {
        ended = true;
        return false;
      }
      throw damaged("there is something after the mark of its end");
    }
    verifyChecksum();
    return true;
  }

  private void readBlock() throws IOException {
    if (archive.readNBytes(block, 0, BLOCK) < BLOCK) {
      throw damaged("it ends in the middle of a header");
    }
  }

  private boolean isZero() {
    for (byte b : block) {
      if (b != 0) {
        return false;
      }
    }
    return true;
  }

  private void verifyChecksum() {
    long unsigned = 0;
    long signed = 0;
    for (int i = 0; i < BLOCK; i++) {
      byte b = i >= CHECKSUM && i < CHECKSUM + 8 ? (byte) ' ' : block[i];
      unsigned += b & 0xff;
      signed += b;
    }
    long written = number(CHECKSUM, 8, "checksum");
    if (written != unsigned && written != signed) {
      throw damaged(
          "the header of \"%s\" has a wrong checksum".formatted(shown(text(NAME, NAME_SIZE))));
    }
  }

  private byte[] headerData(long size) throws IOException {
    if (size < 0 || size > LARGEST_HEADER) {
      throw damaged(
          "an extended header has %d bytes, more than the %d allowed"
              .formatted(size, LARGEST_HEADER));
    }
    startData(size);
    byte[] data = archive.readNBytes((int) size);
    if (data.length < size) {
      throw new EOFException("the tar archive ends in the middle of an extended header");
    }
    remaining = 0;
    skipData();
    return data;
  }

  private void startData(long size) {
    if (size < 0) {
      throw damaged("a file has %d bytes".formatted(size));
    }
    remaining = size;
    padding = (int) ((BLOCK - size % BLOCK) % BLOCK);
  }

  private void skipData() throws IOException {
    long left = remaining + padding;
    if (left < 0) {
      throw damaged("a file is absurdly large");
    }
    while (left > 0) {
      int count = archive.read(sink, 0, (int) Math.min(sink.length, left));
      if (count < 0) {
        // some writers leave the last padding out
        if (left > padding) {
          throw damaged("it ends in the middle of a file");
        }
        break;
      }
      left -= count;
    }
    remaining = 0;
    padding = 0;
  }

  /** A number in octal digits, or GNU's base 256 where the first bit is set. */
  private long number(int at, int length, String what) {
    if ((block[at] & 0x80) != 0) {
      return binary(at, length, what);
    }
    int start = at;
    int end = at + length;
    while (start < end && (block[start] == ' ' || block[start] == 0)) {
      start++;
    }
    long number = 0;
    while (start < end && block[start] >= '0' && block[start] <= '7') {
      number = number * 8 + (block[start++] - '0');
    }
    if (start < end && block[start] != ' ' && block[start] != 0) {
      throw damaged("the %s of \"%s\" is no octal number".formatted(what, shown(text(0, 100))));
    }
    return number;
  }

  private long binary(int at, int length, String what) {
    boolean negative = (block[at] & 0x40) != 0;
    long number = negative ? -1 : 0;
    for (int i = 0; i < length; i++) {
      int b = block[at + i] & 0xff;
      if (i == 0) {
        // without the bit that marks the form
        b = negative ? b : b & 0x7f;
      }
      if (number > (Long.MAX_VALUE >> 8) || number < (Long.MIN_VALUE >> 8)) {
        throw damaged("the %s of \"%s\" is too large".formatted(what, shown(text(0, 100))));
      }
      number = number << 8 | b;
    }
    return number;
  }

  /** A field's text up to the first NUL, one char per byte. */
  private String text(int at, int length) {
    int end = at;
    while (end < at + length && block[end] != 0) {
      end++;
    }
    return new String(block, at, end - at, StandardCharsets.ISO_8859_1);
  }

  private static String untilNul(byte[] data) {
    int end = 0;
    while (end < data.length && data[end] != 0) {
      end++;
    }
    return new String(data, 0, end, StandardCharsets.ISO_8859_1);
  }

  /** For a message: readable and short. */
  private static String shown(String raw) {
    String text =
        new String(raw.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8)
            .replaceAll("\\p{Cntrl}", "?");
    return text.length() > 200 ? text.substring(0, 200) + "..." : text;
  }

  private static StageletException damaged(String why) {
    return new StageletException(ErrorCode.DATA_LOSS, "the tar archive is damaged: " + why);
  }
}
