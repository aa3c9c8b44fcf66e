package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.NativeSha256;
import io.stagelet.linux.StageletException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.regex.Pattern;

/**
 * The digest of some content, which is also its name (OCI image specification, "Digests").
 *
 * @param algorithm {@code sha256} or {@code sha512}
 * @param hex the hash in lower-case hexadecimal digits
 */
public record Digest(String algorithm, String hex) implements Comparable<Digest> {
  private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
  private static final Pattern SHA512 = Pattern.compile("[0-9a-f]{128}");

  public Digest {
    boolean right =
        switch (algorithm) {
          case "sha256" -> SHA256.matcher(hex).matches();
          case "sha512" -> SHA512.matcher(hex).matches();
          default -> false;
        };
    if (!right) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s:%s is no digest; one is sha256: and 64 lower-case hexadecimal digits, or sha512: and 128"
              .formatted(algorithm, hex));
    }
  }

  /** The digest that {@code text} ({@code sha256:...}) names. */
  public static Digest parse(String text) {
    int colon = text.indexOf(':');
    return colon < 0
        ? new Digest("", text)
        : new Digest(text.substring(0, colon), text.substring(colon + 1));
  }

  /** The SHA-256 of {@code content}. */
  public static Digest of(byte[] content) {
    return new Digest("sha256", HexFormat.of().formatHex(hasher("SHA-256").digest(content)));
  }

  /** What {@code hasher}, made by {@link #hasher()}, has hashed. The hasher starts anew. */
  Digest finish(MessageDigest hasher) {
    return new Digest(algorithm, HexFormat.of().formatHex(hasher.digest()));
  }

  /** A hash function of this digest's kind: the fastest there is, for much content. */
  MessageDigest hasher() {
    return algorithm.equals("sha256")
        ? NativeSha256.open().orElseGet(() -> hasher("SHA-256"))
        : hasher("SHA-512");
  }

  /**
   * Checks that {@code content} has this digest.
   *
   * @param what names the content in the error
   * @throws StageletException {@code DATA_LOSS} when it has another
   */
  public void verify(byte[] content, String what) {
    verify(new Digest(algorithm, HexFormat.of().formatHex(hasher().digest(content))), what);
  }

  /** Checks that the content's digest turned out to be this one. */
  void verify(Digest found, String what) {
    if (!found.equals(this)) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "%s is damaged: it should have the digest %s and has %s".formatted(what, this, found));
    }
  }

  private static MessageDigest hasher(String name) {
    try {
      return MessageDigest.getInstance(name);
    } catch (NoSuchAlgorithmException missing) {
      throw new IllegalStateException("every Java has " + name, missing);
    }
  }

  @Override
  public int compareTo(Digest other) {
    return toString().compareTo(other.toString());
  }

  /** {@code sha256:...}. */
  @Override
  public String toString() {
    return algorithm + ":" + hex;
  }
}
