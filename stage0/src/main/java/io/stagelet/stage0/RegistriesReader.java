package io.stagelet.stage0;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.RegistriesConfiguration.Mirror;
import io.stagelet.stage0.RegistriesConfiguration.PullFrom;
import io.stagelet.stage0.RegistriesConfiguration.Registry;
import io.stagelet.stage0.RegistriesConfiguration.ShortNames;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Reads {@code registries.conf} and, over it in their order, the files of {@code
 * registries.conf.d}. What a later file says of a prefix or an alias replaces what an earlier one
 * said. All mistakes are reported together, each with its file.
 */
final class RegistriesReader {
  private static final long LONGEST_FILE = 1 << 20;

  private final List<String> problems = new ArrayList<>();
  private final Map<String, Registry> registries = new LinkedHashMap<>();
  private final Map<String, String> aliases = new LinkedHashMap<>();
  private List<String> search = List.of();
  private List<String> helpers = List.of(CredentialFiles.FILES);
  private ShortNames shortNames = ShortNames.PERMISSIVE;

  private RegistriesReader() {}

  /**
   * What the files say; those that are not there say nothing.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} that lists every mistake
   */
  static RegistriesConfiguration read(List<Path> files) {
    RegistriesReader reader = new RegistriesReader();
    for (Path file : files) {
      if (!Files.exists(file)) {
        continue;
      }
      try {
        if (Files.size(file) > LONGEST_FILE) {
          reader.problems.add("%s: it is longer than %d bytes".formatted(file, LONGEST_FILE));
          continue;
        }
        reader.add(file.toString(), Files.readString(file));
      } catch (IOException failure) {
        reader.problems.add(
            "%s: it cannot be read: %s".formatted(file, StageletException.reason(failure)));
      }
    }
    return reader.result();
  }

  /** What one file with this content says. */
  static RegistriesConfiguration parse(String name, String content) {
    RegistriesReader reader = new RegistriesReader();
    reader.add(name, content);
    return reader.result();
  }

  /** The main file, and the drop-ins in their order. */
  static List<Path> files(Path main, Path dropIns) {
    List<Path> files = new ArrayList<>(List.of(main));
    if (Files.isDirectory(dropIns)) {
      try (Stream<Path> children = Files.list(dropIns)) {
        children.filter(file -> file.toString().endsWith(".conf")).sorted().forEach(files::add);
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION,
            "could not list %s: %s".formatted(dropIns, StageletException.reason(failure)),
            failure);
      }
    }
    return files;
  }

  private RegistriesConfiguration result() {
    if (!problems.isEmpty()) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "the registries' configuration is wrong; no image is pulled until it is mended: "
              + String.join("; ", problems));
    }
    return new RegistriesConfiguration(
        search, shortNames, aliases, List.copyOf(registries.values()), helpers);
  }

  private void add(String file, String content) {
    JsonNode root;
    try {
      root = new TomlMapper().readTree(content);
    } catch (JsonProcessingException failure) {
      int line = failure.getLocation() == null ? 0 : failure.getLocation().getLineNr();
      problems.add("%s, line %d: %s".formatted(file, line, failure.getOriginalMessage()));
      return;
    } catch (RuntimeException | StackOverflowError broken) {
      // what the parser itself did not foresee
      problems.add("%s: it is not TOML".formatted(file));
      return;
    }
    if (root.path("registries").isObject()) {
      problems.add(
          file + ": it is in version 1 ([registries.search] and the like); write it in version 2");
      return;
    }
    if (root.has("unqualified-search-registries")) {
      search = Json.texts(root, "unqualified-search-registries");
    }
    if (root.has("credential-helpers")) {
      helpers = Json.texts(root, "credential-helpers");
    }
    if (root.has("short-name-mode")) {
      choice(ShortNames.class, root, "short-name-mode", file).ifPresent(mode -> shortNames = mode);
    }
    Json.textMap(root, "aliases")
        .forEach((name, whole) -> {
          if (whole.isEmpty()) {
            aliases.remove(name);
          } else {
            aliases.put(name, whole);
          }
        });
    int number = 1;
    for (JsonNode registry : root.path("registry")) {
      addRegistry(registry, "%s, registry %d".formatted(file, number++));
    }
  }

  private void addRegistry(JsonNode node, String where) {
    String location = place(node, where);
    String prefix = Json.text(node, "prefix");
    if (prefix.isEmpty()) {
      prefix = location;
    } else {
      prefix = trimmed(prefix);
      if (location.isEmpty() && !prefix.startsWith("*.")) {
        location = prefix;
      }
    }
    if (prefix.isEmpty()) {
      problems.add(where + ": it has neither prefix nor location");
      return;
    }
    List<Mirror> mirrors = new ArrayList<>();
    for (JsonNode mirror : node.path("mirror")) {
      String at = place(mirror, where);
      if (at.isEmpty()) {
        problems.add(where + ": a mirror has no location");
        continue;
      }
      PullFrom from =
          mirror.has("pull-from-mirror")
              ? choice(PullFrom.class, mirror, "pull-from-mirror", where).orElse(PullFrom.ALL)
              : PullFrom.ALL;
      mirrors.add(new Mirror(at, flag(mirror, "insecure", where), from));
    }
    registries.put(
        prefix,
        new Registry(
            prefix,
            location,
            flag(node, "insecure", where),
            flag(node, "blocked", where),
            flag(node, "mirror-by-digest-only", where),
            mirrors));
  }

  private String place(JsonNode node, String where) {
    String location = trimmed(Json.text(node, "location"));
    if (location.contains("://")) {
      problems.add(
          "%s: location \"%s\" must be host[:port][/path], without a scheme"
              .formatted(where, location));
    }
    return location;
  }

  private static String trimmed(String place) {
    return place.endsWith("/") ? place.substring(0, place.length() - 1) : place;
  }

  private boolean flag(JsonNode node, String key, String where) {
    JsonNode value = node.path(key);
    if (!value.isMissingNode() && !value.isBoolean()) {
      problems.add("%s: %s must be true or false".formatted(where, key));
    }
    return value.asBoolean(false);
  }

  private <E extends Enum<E>> Optional<E> choice(
      Class<E> kinds, JsonNode node, String key, String where) {
    String text = Json.text(node, key);
    for (E kind : kinds.getEnumConstants()) {
      if (kind.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(text)) {
        return Optional.of(kind);
      }
    }
    problems.add("%s: %s cannot be \"%s\"".formatted(where, key, text));
    return Optional.empty();
  }
}
