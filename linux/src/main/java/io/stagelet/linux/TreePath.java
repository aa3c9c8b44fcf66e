package io.stagelet.linux;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * A path below some root, as bytes: file names on Linux have no encoding, and those in images are
 * not always UTF-8. It is clean: no empty, {@code .} or {@code ..} component, and never above the
 * root ({@code /../etc} is {@code etc}).
 *
 * @param raw the components with {@code /} between them, one char per byte (ISO 8859-1); empty for
 *     the root itself
 */
public record TreePath(String raw) {
  private static final int PATH_MAX = 4096;

  /** The root itself. */
  public static final TreePath ROOT = new TreePath("");

  public TreePath {
    if (!raw.equals(clean(raw))) {
      throw new IllegalArgumentException("not a clean path below a root: " + raw);
    }
  }

  /**
   * The path that {@code bytes} spell; absolute or not, both mean "below the root".
   *
   * @throws StageletException {@code DATA_LOSS} when there is a NUL in it, or more bytes than a
   *     path may have
   */
  public static TreePath of(byte[] bytes) {
    return ofRaw(new String(bytes, StandardCharsets.ISO_8859_1));
  }

  /** The path that {@code text} spells in UTF-8. */
  public static TreePath of(String text) {
    return of(text.getBytes(StandardCharsets.UTF_8));
  }

  private static TreePath ofRaw(String raw) {
    if (raw.indexOf('\0') >= 0) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "a file name holds a NUL byte: " + raw.replace('\0', '?'));
    }
    if (raw.length() >= PATH_MAX) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "a file name is %d bytes long, and Linux allows %d: %s..."
              .formatted(raw.length(), PATH_MAX - 1, raw.substring(0, 80)));
    }
    return new TreePath(clean(raw));
  }

  /** Whether this is the root itself. */
  public boolean isRoot() {
    return raw.isEmpty();
  }

  /** The directory this is in; the root for the root. */
  public TreePath parent() {
    int slash = raw.lastIndexOf('/');
    return slash < 0 ? ROOT : new TreePath(raw.substring(0, slash));
  }

  /** The last component, one char per byte; empty for the root. */
  public String name() {
    return raw.substring(raw.lastIndexOf('/') + 1);
  }

  /** The entry called {@code name} (one char per byte, no slash) in this directory. */
  public TreePath child(String name) {
    return new TreePath(isRoot() ? name : raw + "/" + name);
  }

  /** Where a symbolic link in this directory with that text leads, by its text alone. */
  TreePath follow(String linkText) {
    return ofRaw(linkText.startsWith("/") ? linkText : raw + "/" + linkText);
  }

  private static String clean(String raw) {
    if (isClean(raw)) {
      return raw;
    }
    List<String> kept = new ArrayList<>();
    for (String component : raw.split("/", -1)) {
      switch (component) {
        case "", "." -> {}
        case ".." -> {
          if (!kept.isEmpty()) {
            kept.removeLast();
          }
        }
        default -> kept.add(component);
      }
    }
    return String.join("/", kept);
  }

  private static boolean isClean(String raw) {
    int start = 0;
    while (start <= raw.length() && !raw.isEmpty()) {
      int end = raw.indexOf('/', start);
      end = end < 0 ? raw.length() : end;
      int length = end - start;
      if (length == 0
          || (raw.charAt(start) == '.'
              && (length == 1 || (length == 2 && raw.charAt(start + 1) == '.')))) {
        return false;
      }
      start = end + 1;
    }
    return true;
  }

  /** The path as text for people; bytes that are not UTF-8 are replaced. */
  @Override
  public String toString() {
    return "/" + new String(raw.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }
}
