package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.SignaturePolicy.Identity;

/**
 * What a signature says, once it is known to be good: an image's name and its manifest's digest
 * ({@code containers-signature(5)}).
 */
record SignedClaim(String reference, Digest manifest) {
  static final String SIMPLE = "atomic container signature";
  static final String COSIGN = "cosign container image signature";

  /**
   * The claim in a signed payload.
   *
   * @param type what kind it must say that it is
   */
  static SignedClaim of(byte[] payload, String type) {
    JsonNode critical = Json.object(payload, "the signed text").path("critical");
    if (!Json.text(critical, "type").equals(type)) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "it signs a \"%s\" and not a \"%s\"".formatted(Json.text(critical, "type"), type));
    }
    return new SignedClaim(
        Json.text(critical.path("identity"), "docker-reference"),
        Digest.parse(Json.text(critical.path("image"), "docker-manifest-digest")));
  }

  /** Whether it is for the image that is asked for as {@code wanted}. */
  boolean isFor(ImageReference wanted, Identity identity) {
    return switch (identity) {
      case Identity.Exact() -> exact(wanted);
      case Identity.RepositoryForDigestOrExact() -> repositoryForDigestOrExact(wanted);
      case Identity.Repository() -> repository(wanted.name());
      case Identity.ThisReference(String given) -> exact(ImageReference.parse(given));
      case Identity.ThisRepository(String given) -> repository(ImageReference.parse(given).name());
      case Identity.Remapped(String prefix, String signedPrefix) ->
          repositoryForDigestOrExact(remapped(wanted, prefix, signedPrefix));
    };
  }

  private static ImageReference remapped(
      ImageReference wanted, String prefix, String signedPrefix) {
    String name = wanted.canonical();
    boolean inside =
        name.startsWith(prefix)
            && (name.length() == prefix.length()
                || ":/@".indexOf(name.charAt(prefix.length())) >= 0);
    return inside ? ImageReference.parse(signedPrefix + name.substring(prefix.length())) : wanted;
  }

  private boolean repositoryForDigestOrExact(ImageReference wanted) {
    return wanted.digest().isPresent() ? repository(wanted.name()) : exact(wanted);
  }

  private boolean exact(ImageReference wanted) {
    ImageReference signed = parsed();
    return signed != null
        && signed.name().equals(wanted.name())
        && signed.tag().equals(wanted.tag())
        && wanted.tag().isPresent();
  }

  private boolean repository(String name) {
    ImageReference signed = parsed();
    return signed != null && signed.name().equals(name);
  }

  private @org.jspecify.annotations.Nullable ImageReference parsed() {
    try {
      return ImageReference.parse(reference);
    } catch (StageletException unreadable) {
      return null;
    }
  }
}
