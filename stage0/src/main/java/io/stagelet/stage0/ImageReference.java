package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a person names an image: the grammar of the distribution project's references, with Docker
 * Hub's rules for names without a registry ({@code busybox} is {@code
 * docker.io/library/busybox:latest}).
 *
 * @param domain the registry, with its port where one is given
 * @param path the repository in the registry
 * @param tag what it is called there; {@code latest} where neither tag nor digest was given
 * @param digest of its manifest; wins over the tag
 */
public record ImageReference(
    String domain, String path, Optional<String> tag, Optional<Digest> digest) {
  private static final String DOCKER_HUB = "docker.io";
  private static final int LONGEST_NAME = 255;

  /** A name, a tag and a SHA-512, with room to spare. */
  private static final int LONGEST_TEXT = 600;

  private static final Pattern PATH =
      Pattern.compile(
          "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*");
  private static final Pattern DOMAIN =
      Pattern.compile(
          "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
              + "|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?");
  private static final Pattern TAG = Pattern.compile("\\w[\\w.-]{0,127}");
  private static final Pattern ID = Pattern.compile("[a-f0-9]{64}");

  /** The name, and then a tag, a digest, or both. */
  private static final Pattern PARTS =
      Pattern.compile("(?<name>[^@]+?)(?::(?<tag>[^:/@]+))?(?:@(?<digest>[^@]+))?");

  public ImageReference {
    // first, because the patterns recurse on long texts
    require(
        domain.length() + 1 + path.length() <= LONGEST_NAME,
        path,
        "registry and repository may have 255 characters");
    require(DOMAIN.matcher(domain).matches(), domain, "the registry's name is not a host name");
    require(
        PATH.matcher(path).matches(),
        path,
        "a repository is lower-case letters and digits, with . _ - or / between them");
    tag.ifPresent(text ->
        require(
            TAG.matcher(text).matches(),
            text,
            "a tag is at most 128 letters, digits, . _ and -, and starts with neither . nor -"));
  }

  /**
   * The reference that {@code text} spells.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it spells none
   */
  public static ImageReference parse(String text) {
    require(text.length() <= LONGEST_TEXT, text, "it is longer than any can be");
    Matcher parts = PARTS.matcher(text);
    require(parts.matches(), text, "it must look like registry/repository:tag@digest");
    String name = parts.group("name");
    require(
        !ID.matcher(text).matches(), text, "64 hexadecimal digits are an image's id, not a name");
    Optional<Digest> digest = Optional.ofNullable(parts.group("digest")).map(Digest::parse);
    Optional<String> tag = Optional.ofNullable(parts.group("tag"));
    if (tag.isEmpty() && digest.isEmpty()) {
      tag = Optional.of("latest");
    }
    int slash = name.indexOf('/');
    String first = slash < 0 ? "" : name.substring(0, slash);
    if (!namesRegistry(first)) {
      String path = slash < 0 ? "library/" + name : name;
      return new ImageReference(DOCKER_HUB, path, tag, digest);
    }
    String path = name.substring(slash + 1);
    if (first.equals(DOCKER_HUB) || first.equals("index.docker.io")) {
      path = path.indexOf('/') < 0 ? "library/" + path : path;
      return new ImageReference(DOCKER_HUB, path, tag, digest);
    }
    return new ImageReference(first, path, tag, digest);
  }

  /** Whether {@code text} names no registry. */
  static boolean isShort(String text) {
    String name = shortName(text);
    int slash = name.indexOf('/');
    return slash < 0 || !namesRegistry(name.substring(0, slash));
  }

  /** What comes before tag and digest. */
  static String shortName(String text) {
    Matcher parts = PARTS.matcher(text);
    return parts.matches() ? parts.group("name") : text;
  }

  /** The first component is a registry when no repository of Docker Hub could be called so. */
  private static boolean namesRegistry(String first) {
    return first.indexOf('.') >= 0
        || first.indexOf(':') >= 0
        || first.equals("localhost")
        || !first.equals(first.toLowerCase(Locale.ROOT));
  }

  /** Registry and repository, without tag and digest. */
  public String name() {
    return domain + "/" + path;
  }

  /** All of it written out: {@code docker.io/library/busybox:latest}. */
  public String canonical() {
    return name() + tag.map(text -> ":" + text).orElse("") + digest.map(d -> "@" + d).orElse("");
  }

  /** What the registry is asked for: the digest, or else the tag. */
  String inRegistry() {
    return digest.map(Digest::toString).or(() -> tag).orElse("latest");
  }

  private static void require(boolean right, String text, String rule) {
    if (!right) {
      String shown = text.length() > 100 ? text.substring(0, 100) + "..." : text;
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "\"%s\" is not (part of) an image reference: %s".formatted(shown, rule));
    }
  }

  /** The same as {@link #canonical}. */
  @Override
  public String toString() {
    return canonical();
  }
}
