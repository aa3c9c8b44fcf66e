package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What {@code containers-registries.conf(5)} says, version 2.
 *
 * @param unqualifiedSearch registries to look in for names without one, in this order
 * @param shortNames what to do about such names where the order leaves a doubt
 * @param aliases whole names of short ones
 * @param credentialHelpers where credentials are looked for; {@code containers-auth.json} is the
 *     files
 */
record RegistriesConfiguration(
    List<String> unqualifiedSearch,
    ShortNames shortNames,
    Map<String, String> aliases,
    List<Registry> registries,
    List<String> credentialHelpers) {
  /** {@code short-name-mode}. */
  enum ShortNames {
    /** A name that several registries could have is refused: nobody is there to be asked. */
    ENFORCING,
    /** The registries are tried in their order. */
    PERMISSIVE,
    /** The same, and aliases mean nothing. */
    DISABLED
  }

  /** {@code pull-from-mirror}: for which references a mirror is asked. */
  enum PullFrom {
    ALL,
    DIGEST_ONLY,
    TAG_ONLY
  }

  /**
   * A place with copies.
   *
   * @param location takes the place of the registry's prefix
   * @param insecure whether its certificate is not checked, and plain HTTP is fine
   */
  record Mirror(String location, boolean insecure, PullFrom pullFrom) {}

  /**
   * One {@code [[registry]]}.
   *
   * @param prefix of the names it is about; {@code *.example.com} for a domain's hosts
   * @param location takes the prefix's place; empty: the name stays
   * @param mirrorByDigestOnly whether the mirrors are asked for digests alone
   */
  record Registry(
      String prefix,
      String location,
      boolean insecure,
      boolean blocked,
      boolean mirrorByDigestOnly,
      List<Mirror> mirrors) {
    Registry {
      mirrors = List.copyOf(mirrors);
    }

    /** Whether this is about {@code name}, a reference written out. */
    boolean matches(String name) {
      if (prefix.startsWith("*.")) {
        int end = name.indexOf('/');
        String host = end < 0 ? name : name.substring(0, end);
        return withoutPort(host).endsWith(prefix.substring(1));
      }
      return name.startsWith(prefix)
          && (name.length() == prefix.length() || ":/@".indexOf(name.charAt(prefix.length())) >= 0);
    }

    /** The name with {@code place} for the prefix. */
    String rewritten(String name, String place) {
      if (place.isEmpty()) {
        return name;
      }
      if (prefix.startsWith("*.")) {
        int end = name.indexOf('/');
        return place + (end < 0 ? "" : name.substring(end));
      }
      return place + name.substring(prefix.length());
    }

    private static String withoutPort(String host) {
      int colon = host.lastIndexOf(':');
      return colon < 0 || host.endsWith("]") ? host : host.substring(0, colon);
    }
  }

  /**
   * A place to get an image from.
   *
   * @param name registry and repository there, without tag and digest
   * @param mirror whether it is one of several, so that little patience will do
   */
  record Source(String name, boolean insecure, boolean mirror) {}

  RegistriesConfiguration {
    unqualifiedSearch = List.copyOf(unqualifiedSearch);
    aliases = Map.copyOf(aliases);
    registries = List.copyOf(registries);
    credentialHelpers = List.copyOf(credentialHelpers);
  }

  /** Nothing is configured. */
  static RegistriesConfiguration empty() {
    return new RegistriesConfiguration(
        List.of(), ShortNames.PERMISSIVE, Map.of(), List.of(), List.of());
  }

  /** What is said of this reference: of all prefixes that fit, the longest. */
  Optional<Registry> of(ImageReference reference) {
    String name = reference.canonical();
    return registries.stream()
        .filter(registry -> registry.matches(name))
        .max(Comparator.comparingInt(registry -> registry.prefix().length()));
  }

  /**
   * Where to get {@code reference}: its mirrors in their order, then the registry.
   *
   * @throws StageletException {@code PERMISSION_DENIED} when the registry is blocked
   */
  List<Source> sources(ImageReference reference) {
    Optional<Registry> found = of(reference);
    if (found.isEmpty()) {
      return List.of(new Source(reference.name(), false, false));
    }
    Registry registry = found.get();
    if (registry.blocked()) {
      throw new StageletException(
          ErrorCode.PERMISSION_DENIED,
          "%s is not pulled: registries.conf blocks %s".formatted(reference, registry.prefix()));
    }
    boolean byDigest = reference.digest().isPresent();
    List<Source> sources = new ArrayList<>();
    for (Mirror mirror : registry.mirrors()) {
      boolean asked =
          switch (mirror.pullFrom()) {
            case ALL -> byDigest || !registry.mirrorByDigestOnly();
            case DIGEST_ONLY -> byDigest;
            case TAG_ONLY -> !byDigest;
          };
      if (asked) {
        sources.add(
            new Source(
                registry.rewritten(reference.name(), mirror.location()), mirror.insecure(), true));
      }
    }
    sources.add(
        new Source(
            registry.rewritten(reference.name(), registry.location()), registry.insecure(), false));
    return sources;
  }

  /**
   * What {@code text} may mean, the likeliest first. With a registry in it, one thing; without, its
   * alias, or the search registries', or Docker Hub's where none is configured.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is no reference, or one that is not
   *     clear and may not be guessed
   */
  List<ImageReference> candidates(String text) {
    ImageReference plain = ImageReference.parse(text);
    if (!ImageReference.isShort(text)) {
      return List.of(plain);
    }
    String shortName = ImageReference.shortName(text);
    String rest = text.substring(shortName.length());
    String alias = shortNames == ShortNames.DISABLED ? null : aliases.get(shortName);
    if (alias != null) {
      return List.of(ImageReference.parse(alias + rest));
    }
    if (unqualifiedSearch.isEmpty()) {
      return List.of(plain);
    }
    if (unqualifiedSearch.size() > 1 && shortNames == ShortNames.ENFORCING) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the short name %s is ambiguous: each of %s could have it, and short-name-mode is enforcing. Write the registry before it, or give it an alias in registries.conf.d"
              .formatted(text, unqualifiedSearch));
    }
    return unqualifiedSearch.stream()
        .map(registry -> ImageReference.parse(registry + "/" + text))
        .distinct()
        .toList();
  }
}
