package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Credentials in {@code containers-auth.json(5)} and Docker's {@code config.json}: by repository,
 * namespace or registry, the most specific first; themselves, or in a helper program that the file
 * names. Read at each use, so that a new login counts at once.
 */
public final class CredentialFiles implements CredentialSource {
  private static final Logger LOG = LoggerFactory.getLogger(CredentialFiles.class);
  private static final Pattern HELPER = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Duration HELPER_PATIENCE = Duration.ofSeconds(30);
  private static final int LONGEST_ANSWER = 64 << 10;
  private static final String DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

  /** What a helper gives as the user when the secret is an identity token. */
  private static final String TOKEN_USER = "<token>";

  /** What stands for the files among the places that {@code registries.conf} names. */
  static final String FILES = "containers-auth.json";

  private final List<Path> files;
  private final Supplier<List<String>> places;

  /** Credentials of these files; the first that knows a repository wins. */
  public CredentialFiles(List<Path> files) {
    this(files, () -> List.of(FILES));
  }

  /**
   * Credentials of these files and of helpers.
   *
   * @param places {@link #FILES} and helpers' names, in the order they are asked; asked for at each
   *     use
   */
  public CredentialFiles(List<Path> files, Supplier<List<String>> places) {
    this.files = List.copyOf(files);
    this.places = places;
  }

  @Override
  public Credentials of(String name) {
    for (String place : places.get()) {
      Optional<Credentials> found =
          place.equals(FILES) ? inFiles(name) : helped(place, keys(name).getLast());
      if (found.isPresent()) {
        return found.get();
      }
    }
    return Credentials.none();
  }

  private Optional<Credentials> inFiles(String name) {
    return files.stream().flatMap(file -> in(file, name).stream()).findFirst();
  }

  private Optional<Credentials> in(Path file, String name) {
    if (!Files.isReadable(file)) {
      return Optional.empty();
    }
    JsonNode root;
    try {
      root = Json.object(Files.readAllBytes(file), file.toString());
    } catch (IOException failure) {
      ImageEvent.CREDENTIALS_UNUSED
          .on(LOG)
          .log("credentials in {} are not used: {}", file, StageletException.reason(failure));
      return Optional.empty();
    } catch (StageletException damaged) {
      // a broken file must not stop the pulls that need no credentials
      ImageEvent.CREDENTIALS_UNUSED
          .on(LOG)
          .log("credentials are not used: {}", damaged.getMessage());
      return Optional.empty();
    }
    List<String> keys = keys(name);
    String registry = keys.getLast();
    for (String key : keys) {
      String helper = Json.text(root.path("credHelpers"), key);
      if (!helper.isEmpty()) {
        return helped(helper, key);
      }
      Optional<Credentials> entry = entry(root.path("auths"), key, file);
      if (entry.isPresent()) {
        return entry;
      }
    }
    String helper = Json.text(root, "credsStore");
    return helper.isEmpty() ? Optional.empty() : helped(helper, registry);
  }

  /** The name, its namespaces and its registry, from the longest. */
  private static List<String> keys(String name) {
    List<String> keys = new ArrayList<>();
    for (String key = name; ; key = key.substring(0, key.lastIndexOf('/'))) {
      keys.add(key);
      if (key.indexOf('/') < 0) {
        return keys;
      }
    }
  }

  private static Optional<Credentials> entry(JsonNode entries, String key, Path file) {
    if (entries.path(key).isObject()) {
      return credentials(entries.path(key), key, file);
    }
    if (key.indexOf('/') >= 0) {
      return Optional.empty();
    }
    // Docker writes servers as addresses
    for (var entry : entries.properties()) {
      if (registry(entry.getKey()).equals(key) && entry.getValue().isObject()) {
        return credentials(entry.getValue(), key, file);
      }
    }
    return Optional.empty();
  }

  /** The registry of an old key: {@code https://index.docker.io/v1/} is {@code docker.io}. */
  private static String registry(String key) {
    String host = key.replaceFirst("^https?://", "").replaceFirst("/(v[12](/.*)?)?$", "");
    return host.equals("index.docker.io") || host.equals("registry-1.docker.io")
        ? "docker.io"
        : host;
  }

  private static Optional<Credentials> credentials(JsonNode entry, String key, Path file) {
    String registryToken = Json.text(entry, "registrytoken");
    if (!registryToken.isEmpty()) {
      return Optional.of(new Credentials.RegistryToken(registryToken));
    }
    String identityToken = Json.text(entry, "identitytoken");
    if (!identityToken.isEmpty()) {
      return Optional.of(new Credentials.IdentityToken(identityToken));
    }
    String auth = Json.text(entry, "auth");
    if (!auth.isEmpty()) {
      try {
        return Optional.of(Credentials.basic(auth));
      } catch (StageletException unreadable) {
        ImageEvent.CREDENTIALS_UNUSED
            .on(LOG)
            .log("{}: {} has {}", file, key, unreadable.getMessage());
        return Optional.empty();
      }
    }
    String user = Json.text(entry, "username");
    return user.isEmpty()
        ? Optional.empty()
        : Optional.of(new Credentials.Basic(user, Json.text(entry, "password")));
  }

  /** Asks {@code docker-credential-NAME}; empty where it knows nothing. */
  private static Optional<Credentials> helped(String helper, String key) {
    if (!HELPER.matcher(helper).matches()) {
      ImageEvent.CREDENTIALS_UNUSED.on(LOG).log("\"{}\" is no credential helper's name", helper);
      return Optional.empty();
    }
    String program = "docker-credential-" + helper;
    String server = key.equals("docker.io") ? DOCKER_HUB_SERVER : key;
    Command.Outcome outcome;
    try {
      outcome =
          Command.of(program, "get")
              .withInput(server.getBytes(StandardCharsets.UTF_8))
              .withDeadline(HELPER_PATIENCE)
              .withOutputLimit(LONGEST_ANSWER)
              .run();
    } catch (StageletException failure) {
      if (failure.code() == ErrorCode.CANCELLED) {
        throw failure;
      }
      ImageEvent.CREDENTIALS_UNUSED
          .on(LOG)
          .log("no credentials for {}: {}", server, failure.getMessage());
      return Optional.empty();
    }
    if (outcome.exitCode() != 0) {
      if (!outcome.complaint().contains("credentials not found")) {
        ImageEvent.CREDENTIALS_UNUSED
            .on(LOG)
            .log("{} has no credentials for {}: {}", program, server, outcome.complaint());
      }
      return Optional.empty();
    }
    try {
      JsonNode answer = Json.object(outcome.output(), "the answer of " + program);
      String user = Json.text(answer, "Username");
      String secret = Json.text(answer, "Secret");
      return Optional.of(
          user.equals(TOKEN_USER)
              ? new Credentials.IdentityToken(secret)
              : new Credentials.Basic(user, secret));
    } catch (StageletException unreadable) {
      ImageEvent.CREDENTIALS_UNUSED
          .on(LOG)
          .log("no credentials for {}: {}", server, unreadable.getMessage());
      return Optional.empty();
    }
  }
}
