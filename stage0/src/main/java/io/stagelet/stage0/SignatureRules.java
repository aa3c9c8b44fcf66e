package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.SignaturePolicy.Demand;
import io.stagelet.stage0.SignaturePolicy.Identity;
import io.stagelet.stage0.SignaturePolicy.KeySource;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Decides whether an image may be used, by its signatures and {@link SignaturePolicy}. An image in
 * an index is signed when it or the index is: the index's digest covers it.
 */
final class SignatureRules {
  /** What kubelet looks for in the error of a pull. */
  private static final String REFUSED = "SignatureValidationFailed";

  private static final int MOST_SIGNATURES = 32;
  private static final int LONGEST_SIGNATURE = 4 << 20;
  private static final String COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature";
  private static final String COSIGN_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json";

  private final Supplier<SignaturePolicy> policy;
  private final Supplier<LookasideConfiguration> lookaside;

  private SignatureRules(
      Supplier<SignaturePolicy> policy, Supplier<LookasideConfiguration> lookaside) {
    this.policy = policy;
    this.lookaside = lookaside;
  }

  /** Everything may be used. */
  static SignatureRules none() {
    return new SignatureRules(
        SignaturePolicy::anything, () -> new LookasideConfiguration(Optional.empty(), Map.of()));
  }

  /** The rules of these files, read for each image; without a policy, everything may be used. */
  static SignatureRules of(RegistryFiles files) {
    return new SignatureRules(
        () -> read(files.policy()), () -> LookasideConfiguration.read(files.signatures()));
  }

  private static SignaturePolicy read(Path file) {
    try {
      return SignaturePolicy.parse(Files.readAllBytes(file), file.toString());
    } catch (NoSuchFileException absent) {
      return SignaturePolicy.anything();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s: could not read %s: %s".formatted(REFUSED, file, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * Checks an image.
   *
   * @param manifests the digests of its manifest and the indexes it is in
   * @throws StageletException {@code PERMISSION_DENIED}, with the word {@code
   *     SignatureValidationFailed}, when it may not be used
   */
  void check(
      ImageReference reference,
      Set<Digest> manifests,
      MirroredRepository repository,
      RegistryTransport transport,
      Clock clock)
      throws InterruptedException {
    for (Demand demand : policy.get().of(reference)) {
      switch (demand) {
        case Demand.Anything() -> {}
        case Demand.Nothing() ->
            throw refused(reference, "the policy rejects all images of its scope", List.of());
        case Demand.OpenPgp(List<KeySource> keys, Identity identity) ->
            openPgp(reference, manifests, keys, identity, transport, clock);
        case Demand.Sigstore(List<KeySource> keys, Identity identity) ->
            sigstore(reference, manifests, keys, identity, repository);
      }
    }
  }

  private void openPgp(
      ImageReference reference,
      Set<Digest> manifests,
      List<KeySource> keys,
      Identity identity,
      RegistryTransport transport,
      Clock clock)
      throws InterruptedException {
    OpenPgpSignatures signatures = new OpenPgpSignatures(contents(keys), clock);
    LookasideConfiguration places = lookaside.get();
    Set<String> reasons = new LinkedHashSet<>();
    for (Digest manifest : manifests) {
      for (int number = 1; number <= MOST_SIGNATURES; number++) {
        URI place = places.signature(reference, manifest, number);
        Optional<byte[]> signature = fetch(place, transport);
        if (signature.isEmpty()) {
          reasons.add("there is none at " + place);
          break;
        }
        try {
          SignedClaim claim =
              SignedClaim.of(signatures.verified(signature.get()), SignedClaim.SIMPLE);
          if (fits(claim, reference, manifest, identity, reasons)) {
            return;
          }
        } catch (StageletException bad) {
          reasons.add(place + ": " + bad.getMessage());
        }
      }
    }
    throw refused(reference, "no OpenPGP signature fulfils the policy", reasons);
  }

  private static void sigstore(
      ImageReference reference,
      Set<Digest> manifests,
      List<KeySource> keySources,
      Identity identity,
      MirroredRepository repository)
      throws InterruptedException {
    List<PublicKey> keys = new ArrayList<>();
    for (byte[] pem : contents(keySources)) {
      try {
        keys.add(PemKeys.publicKey(new String(pem, java.nio.charset.StandardCharsets.UTF_8)));
      } catch (IOException | GeneralSecurityException | RuntimeException unreadable) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION,
            "%s: a key of the policy cannot be read: %s"
                .formatted(REFUSED, StageletException.reason(unreadable)),
            unreadable);
      }
    }
    Set<String> reasons = new LinkedHashSet<>();
    for (Digest manifest : manifests) {
      String tag = manifest.algorithm() + "-" + manifest.hex() + ".sig";
      ImageManifest attachment;
      try {
        byte[] bytes = repository.manifest(tag).bytes();
        if (!(ManifestDocument.parse(bytes, tag) instanceof ImageManifest read)) {
          reasons.add(tag + " is an index");
          continue;
        }
        attachment = read;
      } catch (StageletException failure) {
        if (failure.code() != ErrorCode.NOT_FOUND) {
          throw failure;
        }
        reasons.add("there is no " + tag);
        continue;
      }
      for (BlobDescriptor layer : attachment.layers().stream().limit(MOST_SIGNATURES).toList()) {
        if (!layer.mediaType().equals(COSIGN_PAYLOAD)) {
          continue;
        }
        byte[] payload = repository.document(layer);
        String signature = layer.annotations().getOrDefault(COSIGN_SIGNATURE, "");
        if (keys.stream().noneMatch(key -> verifies(key, payload, signature))) {
          reasons.add(tag + ": it is not of a key that the policy names");
          continue;
        }
        try {
          SignedClaim claim = SignedClaim.of(payload, SignedClaim.COSIGN);
          if (fits(claim, reference, manifest, identity, reasons)) {
            return;
          }
        } catch (StageletException bad) {
          reasons.add(tag + ": " + bad.getMessage());
        }
      }
    }
    throw refused(reference, "no sigstore signature fulfils the policy", reasons);
  }

  private static boolean fits(
      SignedClaim claim,
      ImageReference reference,
      Digest manifest,
      Identity identity,
      Set<String> reasons) {
    if (!claim.manifest().equals(manifest)) {
      reasons.add("one is for another manifest, " + claim.manifest());
      return false;
    }
    if (!claim.isFor(reference, identity)) {
      reasons.add("one is for another name, " + claim.reference());
      return false;
    }
    return true;
  }

  private static boolean verifies(PublicKey key, byte[] payload, String signature) {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "EC" -> "SHA256withECDSA";
          case "RSA" -> "SHA256withRSA";
          default -> "EdDSA";
        };
    try {
      Signature check = Signature.getInstance(algorithm);
      check.initVerify(key);
      check.update(payload);
      return check.verify(Base64.getDecoder().decode(signature));
    } catch (GeneralSecurityException | IllegalArgumentException unreadable) {
      // no signature of this key
      return false;
    }
  }

  private static List<byte[]> contents(List<KeySource> keys) {
    List<byte[]> contents = new ArrayList<>();
    for (KeySource key : keys) {
      switch (key) {
        case KeySource.Inline(byte[] content) -> contents.add(content);
        case KeySource.InFile(String path) -> {
          try {
            contents.add(Files.readAllBytes(Path.of(path)));
          } catch (IOException failure) {
            throw new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "%s: could not read the policy's key %s: %s"
                    .formatted(REFUSED, path, StageletException.reason(failure)),
                failure);
          }
        }
      }
    }
    return contents;
  }

  private static Optional<byte[]> fetch(URI place, RegistryTransport transport)
      throws InterruptedException {
    try {
      if ("file".equals(place.getScheme())) {
        Path file = Path.of(place);
        return Files.exists(file) ? Optional.of(Files.readAllBytes(file)) : Optional.empty();
      }
      RegistryEndpoint endpoint =
          new RegistryEndpoint(place.getRawAuthority() + "/", place, "", true, false);
      RegistryResponse response = transport.get(place, Map.of(), endpoint);
      try (BodyReader body = response.body()) {
        return switch (response.statusCode()) {
          case 200 -> Optional.of(body.readAll(LONGEST_SIGNATURE));
          case 403, 404 -> Optional.empty();
          default ->
              throw RegistryAnswers.unavailable(
                  "the signature %s: HTTP %d".formatted(place, response.statusCode()), null);
        };
      }
    } catch (IOException failure) {
      throw RegistryAnswers.unavailable(
          "the signature %s: %s".formatted(place, StageletException.reason(failure)), failure);
    }
  }

  private static StageletException refused(
      ImageReference reference, String why, Iterable<String> reasons) {
    String details = String.join("; ", reasons);
    return new StageletException(
        ErrorCode.PERMISSION_DENIED,
        "%s: %s may not be used: %s%s"
            .formatted(REFUSED, reference, why, details.isEmpty() ? "" : " (" + details + ")"));
  }
}
