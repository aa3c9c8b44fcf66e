package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where OpenPGP signatures of images are: what {@code containers-registries.d(5)} says.
 *
 * @param fallback for all that no scope is about
 * @param scopes by reference, repository, namespace or registry
 */
record LookasideConfiguration(Optional<String> fallback, Map<String, String> scopes) {
  /** Where they are when nothing says otherwise. */
  private static final String DEFAULT = "file:///var/lib/containers/sigstore";

  LookasideConfiguration {
    scopes = Map.copyOf(scopes);
  }

  /** What the files of {@code directory} say. */
  static LookasideConfiguration read(Path directory) {
    Optional<String> fallback = Optional.empty();
    Map<String, String> scopes = new LinkedHashMap<>();
    if (!Files.isDirectory(directory)) {
      return new LookasideConfiguration(fallback, scopes);
    }
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".yaml")).sorted().toList()) {
        JsonNode root = new YAMLMapper().readTree(Files.readString(file));
        String all = place(root.path("default-docker"));
        if (!all.isEmpty()) {
          fallback = Optional.of(all);
        }
        root.path("docker")
            .properties()
            .forEach(scope -> {
              String place = place(scope.getValue());
              if (!place.isEmpty()) {
                scopes.put(scope.getKey(), place);
              }
            });
      }
      return new LookasideConfiguration(fallback, scopes);
    } catch (IOException | RuntimeException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "SignatureValidationFailed: %s, which says where signatures are, cannot be read: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  private static String place(JsonNode scope) {
    String place = Json.text(scope, "lookaside");
    return place.isEmpty() ? Json.text(scope, "sigstore") : place;
  }

  /** Where the signature of this number, from 1, of an image's manifest is. */
  URI signature(ImageReference reference, Digest manifest, int number) {
    String base =
        SignaturePolicy.scopesOf(reference).stream()
            .filter(scopes::containsKey)
            .findFirst()
            .map(scopes::get)
            .or(() -> fallback)
            .orElse(DEFAULT);
    return URI.create(
        "%s/%s@%s=%s/signature-%d"
            .formatted(
                base.replaceFirst("/+$", ""),
                reference.path(),
                manifest.algorithm(),
                manifest.hex(),
                number));
  }
}
