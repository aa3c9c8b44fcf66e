package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The name of a unit, with its suffix, such as {@code ctr-default-web-nginx-0123456789ab.service};
 * as {@code systemd.unit(5)} allows it: ASCII letters, digits and {@code : - _ . \ @}, at most 255
 * characters.
 *
 * @param value the name as systemd writes it
 */
public record UnitName(String value) implements Comparable<UnitName> {
  /** The most characters a unit's name has, its suffix included. */
  public static final int LONGEST = 255;

  private static final Set<String> SUFFIXES =
      Set.of(
          "service",
          "slice",
          "scope",
          "socket",
          "target",
          "mount",
          "automount",
          "swap",
          "path",
          "timer",
          "device");
  private static final String PUNCTUATION = ":_.\\@-";
  private static final Pattern READABLE_ID = Pattern.compile("[A-Za-z0-9]{1,64}");

  public UnitName {
    int dot = value.lastIndexOf('.');
    if (value.length() > LONGEST
        || dot < 1
        || !value.chars().allMatch(UnitName::isAllowed)
        || !SUFFIXES.contains(value.substring(dot + 1))
        || value.startsWith("@")) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is not the name of a unit: at most %d of the characters A-Z a-z 0-9 : - _ . \\ @, with a suffix such as .service"
              .formatted(value, LONGEST));
    }
  }

  /** The name {@code value}. */
  public static UnitName of(String value) {
    return new UnitName(value);
  }

  /**
   * A name that a person can match to what it stands for: {@code kind-part-part-id.suffix}.
   *
   * <p>Characters of the parts that a unit's name cannot have become {@code _}, and parts that do
   * not fit are cut (the longest first); so it is the id that tells two names apart.
   *
   * @param kind what the unit is: {@code pod}, {@code ctr}
   * @param parts what it is called, the widest first: namespace, pod, container; empty ones are
   *     left out
   * @param id letters and digits, unique among the units of this kind
   * @param suffix {@code service} or {@code slice}, without a dot
   */
  public static UnitName readable(String kind, List<String> parts, String id, String suffix) {
    if (!READABLE_ID.matcher(id).matches()) {
      throw new IllegalArgumentException(
          "'%s' is no id of 1 to 64 letters and digits".formatted(id));
    }
    List<String> cleaned =
        parts.stream().filter(part -> !part.isEmpty()).map(UnitName::readablePart).toList();
    int room = LONGEST - kind.length() - 1 - id.length() - 1 - suffix.length() - cleaned.size();
    int longest = longestThatFits(cleaned, room);
    StringBuilder name = new StringBuilder(kind);
    for (String part : cleaned) {
      name.append('-').append(part, 0, Math.min(part.length(), longest));
    }
    return new UnitName(name.append('-').append(id).append('.').append(suffix).toString());
  }

  /** What comes before the suffix and its dot. */
  public String stem() {
    return value.substring(0, value.lastIndexOf('.'));
  }

  /** The suffix, without its dot. */
  public String suffix() {
    return value.substring(value.lastIndexOf('.') + 1);
  }

  /**
   * Where a slice's control group is, relative to the root of the hierarchy: a slice's name says in
   * which others it sits, {@code a-b.slice} in {@code a.slice} (systemd.slice(5)). Empty for the
   * root slice.
   *
   * @throws IllegalStateException when this is no slice
   */
  public String sliceGroup() {
    if (!suffix().equals("slice")) {
      throw new IllegalStateException(value + " is not a slice");
    }
    String stem = stem();
    if (stem.equals("-")) {
      return "";
    }
    StringBuilder path = new StringBuilder();
    for (int dash = stem.indexOf('-'); dash >= 0; dash = stem.indexOf('-', dash + 1)) {
      path.append(stem, 0, dash).append(".slice/");
    }
    return path.append(value).toString();
  }

  @Override
  public int compareTo(UnitName other) {
    return value.compareTo(other.value);
  }

  @Override
  public String toString() {
    return value;
  }

  private static String readablePart(String part) {
    StringBuilder cleaned = new StringBuilder(part.length());
    part.codePoints()
        .forEach(c -> {
          boolean plain = isLetter(c) || isDigit(c) || "-_.:".indexOf(c) >= 0;
          cleaned.append(plain ? (char) c : '_');
        });
    return cleaned.toString();
  }

  /** The length to which parts are cut so that they fit together. */
  private static int longestThatFits(List<String> parts, int room) {
    int longest = Math.max(0, room);
    while (longest > 0) {
      int cut = longest;
      if (parts.stream().mapToInt(part -> Math.min(part.length(), cut)).sum() <= room) {
        return longest;
      }
      longest--;
    }
    return longest;
  }

  /**
   * The last element of the unit's object path on the bus: all but letters and digits as {@code
   * _xx}.
   */
  String busLabel() {
    return busLabel(value);
  }

  /** A prefix of names, as the prefix that the bus labels of such names have. */
  static String busLabel(String text) {
    StringBuilder label = new StringBuilder(text.length() + 16);
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < bytes.length; i++) {
      int c = Byte.toUnsignedInt(bytes[i]);
      if (isLetter(c) || (isDigit(c) && i > 0)) {
        label.append((char) c);
      } else {
        label
            .append('_')
            .append(Character.forDigit(c >> 4, 16))
            .append(Character.forDigit(c & 15, 16));
      }
    }
    return label.toString();
  }

  /** The name whose {@link #busLabel()} this is. */
  static UnitName fromBusLabel(String label) {
    StringBuilder name = new StringBuilder(label.length());
    for (int i = 0; i < label.length(); i++) {
      char c = label.charAt(i);
      if (c == '_' && i + 2 < label.length()) {
        name.append((char) Integer.parseInt(label, i + 1, i + 3, 16));
        i += 2;
      } else {
        name.append(c);
      }
    }
    return new UnitName(name.toString());
  }

  private static boolean isAllowed(int c) {
    return isLetter(c) || isDigit(c) || PUNCTUATION.indexOf(c) >= 0;
  }

  private static boolean isLetter(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  private static boolean isDigit(int c) {
    return c >= '0' && c <= '9';
  }
}
