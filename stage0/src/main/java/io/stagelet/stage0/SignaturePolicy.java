package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What {@code containers-policy.json(5)} demands of images from registries.
 *
 * @param fallback demanded of what no scope is about
 * @param scopes demands by scope: a reference, a repository, a namespace, a registry, {@code
 *     *.example.com}; empty for all
 */
record SignaturePolicy(List<Demand> fallback, Map<String, List<Demand>> scopes) {
  /** One thing that is demanded; an image must fulfil all that its scope lists. */
  sealed interface Demand {
    /** {@code insecureAcceptAnything}. */
    record Anything() implements Demand {}

    /** {@code reject}. */
    record Nothing() implements Demand {}

    /** {@code signedBy}: an OpenPGP signature of one of these keys. */
    record OpenPgp(List<KeySource> keys, Identity identity) implements Demand {}

    /** {@code sigstoreSigned}: a signature, attached in the registry, of one of these keys. */
    record Sigstore(List<KeySource> keys, Identity identity) implements Demand {}
  }

  /** Where a key is. */
  sealed interface KeySource {
    /** In a file. */
    record InFile(String path) implements KeySource {}

    /** In the policy itself. */
    record Inline(byte[] content) implements KeySource {}
  }

  /** {@code signedIdentity}: which name the signature must be for. */
  sealed interface Identity {
    /** The same name and tag. */
    record Exact() implements Identity {}

    /** The same, or, for what is asked for by digest, the same repository. */
    record RepositoryForDigestOrExact() implements Identity {}

    /** The same repository. */
    record Repository() implements Identity {}

    /** This name and tag. */
    record ThisReference(String reference) implements Identity {}

    /** This repository. */
    record ThisRepository(String repository) implements Identity {}

    /** The name with another prefix, as {@link RepositoryForDigestOrExact}. */
    record Remapped(String prefix, String signedPrefix) implements Identity {}
  }

  SignaturePolicy {
    fallback = List.copyOf(fallback);
    scopes = Map.copyOf(scopes);
  }

  /** Accepts all. */
  static SignaturePolicy anything() {
    return new SignaturePolicy(List.of(new Demand.Anything()), Map.of());
  }

  /**
   * The policy in {@code bytes}.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} when it demands something that is not
   *     known here: it is not guessed
   */
  static SignaturePolicy parse(byte[] bytes, String name) {
    try {
      JsonNode root = Json.object(bytes, name);
      if (!root.path("default").isArray()) {
        throw wrong("it has no \"default\"");
      }
      Map<String, List<Demand>> scopes = new LinkedHashMap<>();
      root.path("transports")
          .path("docker")
          .properties()
          .forEach(scope -> scopes.put(scope.getKey(), demands(scope.getValue())));
      return new SignaturePolicy(demands(root.path("default")), scopes);
    } catch (StageletException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "SignatureValidationFailed: the policy %s cannot be used, and nothing is pulled without one that can: %s"
              .formatted(name, failure.getMessage()),
          failure);
    }
  }

  private static List<Demand> demands(JsonNode list) {
    List<Demand> demands = new ArrayList<>();
    for (JsonNode demand : list) {
      demands.add(demand(demand));
    }
    if (demands.isEmpty()) {
      throw wrong("a scope has no requirement");
    }
    return demands;
  }

  private static Demand demand(JsonNode node) {
    String type = Json.text(node, "type");
    return switch (type) {
      case "insecureAcceptAnything" -> new Demand.Anything();
      case "reject" -> new Demand.Nothing();
      case "signedBy" -> {
        if (!Json.text(node, "keyType").equals("GPGKeys")) {
          throw wrong("signedBy knows the keyType GPGKeys alone");
        }
        yield new Demand.OpenPgp(keys(node), identity(node.path("signedIdentity")));
      }
      case "sigstoreSigned" -> {
        for (String unknown :
            Set.of(
                "fulcio",
                "pki",
                "rekorPublicKeyPath",
                "rekorPublicKeyData",
                "rekorPublicKeyPaths",
                "rekorPublicKeyDatas")) {
          if (node.has(unknown)) {
            throw wrong("sigstoreSigned with %s is not built; keys are".formatted(unknown));
          }
        }
        yield new Demand.Sigstore(keys(node), identity(node.path("signedIdentity")));
      }
      default -> throw wrong("requirement \"%s\" is not known".formatted(type));
    };
  }

  private static List<KeySource> keys(JsonNode node) {
    List<KeySource> keys = new ArrayList<>();
    List<String> paths = new ArrayList<>(Json.texts(node, "keyPaths"));
    if (node.has("keyPath")) {
      paths.add(Json.text(node, "keyPath"));
    }
    paths.forEach(path -> keys.add(new KeySource.InFile(path)));
    List<String> contents = new ArrayList<>(Json.texts(node, "keyDatas"));
    if (node.has("keyData")) {
      contents.add(Json.text(node, "keyData"));
    }
    for (String content : contents) {
      try {
        keys.add(new KeySource.Inline(Base64.getDecoder().decode(content)));
      } catch (IllegalArgumentException notBase64) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION, "a keyData is not Base64", notBase64);
      }
    }
    if (keys.isEmpty()) {
      throw wrong("a requirement of signatures names no key");
    }
    return keys;
  }

  private static Identity identity(JsonNode node) {
    if (node.isMissingNode()) {
      return new Identity.RepositoryForDigestOrExact();
    }
    String type = Json.text(node, "type");
    return switch (type) {
      case "matchExact" -> new Identity.Exact();
      case "matchRepoDigestOrExact" -> new Identity.RepositoryForDigestOrExact();
      case "matchRepository" -> new Identity.Repository();
      case "exactReference" -> new Identity.ThisReference(Json.text(node, "dockerReference"));
      case "exactRepository" -> new Identity.ThisRepository(Json.text(node, "dockerRepository"));
      case "remapIdentity" ->
          new Identity.Remapped(Json.text(node, "prefix"), Json.text(node, "signedPrefix"));
      default -> throw wrong("signedIdentity \"%s\" is not known".formatted(type));
    };
  }

  private static StageletException wrong(String why) {
    return new StageletException(ErrorCode.FAILED_PRECONDITION, why);
  }

  /** What is demanded of {@code reference}: its most specific scope's. */
  List<Demand> of(ImageReference reference) {
    return scopesOf(reference).stream()
        .filter(scopes::containsKey)
        .findFirst()
        .or(() -> Optional.of("").filter(scopes::containsKey))
        .map(scopes::get)
        .orElse(fallback);
  }

  /** All scopes that a reference is in, the most specific first; not the one for everything. */
  static List<String> scopesOf(ImageReference reference) {
    List<String> all = new ArrayList<>();
    all.add(reference.canonical());
    String name = reference.name();
    all.add(name);
    for (int slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      all.add(name.substring(0, slash));
    }
    String host = reference.domain().replaceFirst(":[0-9]+$", "");
    for (int dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      all.add("*" + host.substring(dot));
    }
    return all;
  }
}
