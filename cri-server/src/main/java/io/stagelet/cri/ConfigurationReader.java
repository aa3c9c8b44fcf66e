package io.stagelet.cri;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.cri.configuration.ConfigurationFiles;
import io.stagelet.cri.configuration.Mistake;
import io.stagelet.cri.streaming.StreamingSettings;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.LogLevels;
import io.stagelet.journal.OutputPolicy;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.event.Level;

/**
 * Makes a {@link Configuration} of what the files say. Each value has been checked against {@link
 * io.stagelet.cri.configuration.ConfigurationKeys}, where a new key is written down first; here is
 * what values must be together. All mistakes are reported at once, each with its file and line.
 */
final class ConfigurationReader {
  private static final int LAST_PORT = 65_535;

  private final ConfigurationFiles files;
  private final List<Mistake> mistakes;

  private ConfigurationReader(ConfigurationFiles files) {
    this.files = files;
    this.mistakes = new ArrayList<>(files.mistakes());
  }

  /**
   * The configuration of a file and its drop-ins, over the defaults; the defaults alone when there
   * are none.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} that lists every mistake
   */
  static Configuration read(Path file) {
    return read(ConfigurationFiles.read(file));
  }

  /** As above, of files that have been read. */
  static Configuration read(ConfigurationFiles files) {
    ConfigurationReader reader = new ConfigurationReader(files);
    Configuration configuration = reader.parse(files.values());
    if (!reader.mistakes.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the configuration has %d mistake%s:%n  - %s"
              .formatted(
                  reader.mistakes.size(),
                  reader.mistakes.size() == 1 ? "" : "s",
                  reader.inOrder().map(Mistake::toString).collect(Collectors.joining("\n  - "))));
    }
    return configuration;
  }

  /** All that is wrong in a file and its drop-ins. */
  static List<Mistake> mistakes(ConfigurationFiles files) {
    ConfigurationReader reader = new ConfigurationReader(files);
    var _ = reader.parse(files.values());
    return reader.inOrder().toList();
  }

  private Stream<Mistake> inOrder() {
    return mistakes.stream()
        .sorted(Comparator.comparing(Mistake::file).thenComparingInt(Mistake::line));
  }

  private Configuration parse(JsonNode root) {
    Configuration defaults = Configuration.defaults();
    JsonNode cni = root.path("cni");
    Map<String, Configuration.Handler> handlers =
        root.has("handlers") ? handlers(root.path("handlers")) : defaults.handlers();
    String defaultHandler = root.path("default-handler").asText(defaults.defaultHandler());
    if (!handlers.containsKey(defaultHandler)) {
      wrong(
          List.of("default-handler"),
          "there is no handler '%s'; there are %s"
              .formatted(defaultHandler, new TreeSet<>(handlers.keySet())));
    }
    return new Configuration(
        path(root, "socket", defaults.socket()),
        path(root, "root", defaults.root()),
        path(root, "run", defaults.runDirectory()),
        path(cni, "conf-dir", defaults.cniConfigurationDirectory()),
        cni.has("bin-dirs")
            ? strings(cni.path("bin-dirs")).stream().map(Path::of).toList()
            : defaults.cniBinaryDirectories(),
        defaultHandler,
        handlers,
        strings(root.path("registries").path("insecure")),
        strings(root.path("images").path("pinned")),
        path(root.path("resources"), "blockio-config", defaults.blockIo()),
        pulls(root.path("images"), defaults.pulls()),
        output(root.path("output")),
        log(root.path("log"), defaults.log()),
        streaming(root.path("streaming"), defaults.streaming()),
        metrics(root.path("metrics").path("address").asText("")),
        traces(root.path("traces")));
  }

  private Optional<Configuration.Tracing> traces(JsonNode table) {
    String endpoint = table.path("endpoint").asText("");
    if (endpoint.isEmpty()) {
      if (table.has("sampling-rate-per-million")) {
        wrong(
            List.of("traces", "sampling-rate-per-million"),
            "is of no use without endpoint: nothing is sent");
      }
      return Optional.empty();
    }
    try {
      URI address = new URI(endpoint);
      if (Set.of("http", "https").contains(String.valueOf(address.getScheme()))
          && address.getHost() != null
          && address.getUserInfo() == null
          && address.getQuery() == null
          && address.getFragment() == null) {
        return Optional.of(
            new Configuration.Tracing(
                address, table.path("sampling-rate-per-million").asInt(Configuration.Tracing.ALL)));
      }
    } catch (URISyntaxException unreadable) {
      // told below
    }
    wrong(
        List.of("traces", "endpoint"),
        "must be http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:4318, not \"%s\""
            .formatted(endpoint));
    return Optional.empty();
  }

  /** Names are not looked up: where it listens must not depend on a name server. */
  private Optional<InetSocketAddress> metrics(String address) {
    if (address.isEmpty()) {
      return Optional.empty();
    }
    int colon = address.lastIndexOf(':');
    String host = address.substring(0, Math.max(0, colon)).replaceAll("^\\[|]$", "");
    String port = address.substring(colon + 1);
    boolean right =
        (host.matches("[0-9.]+") || host.contains(":"))
            && port.matches("[0-9]{1,5}")
            && Integer.parseInt(port) <= LAST_PORT;
    if (!right) {
      wrong(List.of("metrics", "address"), "must be ADDRESS:PORT, such as 127.0.0.1:9441");
      return Optional.empty();
    }
    try {
      InetAddress named = InetAddress.ofLiteral(host);
      if (!named.isLoopbackAddress()) {
        wrong(
            List.of("metrics", "address"),
            "must be a loopback address, since anybody who reaches it may read; put a proxy that"
                + " asks who it is before it");
      }
      return Optional.of(new InetSocketAddress(named, Integer.parseInt(port)));
    } catch (IllegalArgumentException wrong) {
      wrong(List.of("metrics", "address"), StageletException.reason(wrong));
      return Optional.empty();
    }
  }

  private static Configuration.Pulls pulls(JsonNode images, Configuration.Pulls defaults) {
    return new Configuration.Pulls(
        images.path("parallel-layers").asInt(defaults.parallelLayers()),
        images.path("parallel-ranges").asInt(defaults.parallelRanges()));
  }

  private StreamingSettings streaming(JsonNode table, StreamingSettings defaults) {
    Optional<StreamingSettings.Tls> tls = Optional.empty();
    if (table.has("tls-cert") && table.has("tls-key")) {
      tls =
          Optional.of(
              new StreamingSettings.Tls(
                  path(table, "tls-cert", Path.of("/")),
                  path(table, "tls-key", Path.of("/")),
                  table.has("tls-client-ca")
                      ? Optional.of(path(table, "tls-client-ca", Path.of("/")))
                      : Optional.empty()));
    } else {
      for (String alone : List.of("tls-cert", "tls-key", "tls-client-ca")) {
        if (table.has(alone)) {
          wrong(
              List.of("streaming", alone),
              "tls-cert and tls-key go together, and tls-client-ca with them");
        }
      }
    }
    return new StreamingSettings(
        table.path("address").asText(defaults.address()),
        table.path("port").asInt(defaults.port()),
        tls,
        Duration.ofSeconds(table.path("idle-timeout").asLong(defaults.idleTimeout().toSeconds())),
        defaults.creationTimeout());
  }

  private Map<String, Configuration.Handler> handlers(JsonNode tables) {
    Map<String, Configuration.Handler> handlers = new HashMap<>();
    tables
        .properties()
        .forEach(entry -> {
          JsonNode handler = entry.getValue();
          if (!handler.has("stage1")) {
            wrong(
                List.of("handlers", entry.getKey()),
                "stage1 is missing; it says which stage1 the handler is, such as \"oci\"");
          }
          Map<String, String> options = new HashMap<>();
          handler
              .properties()
              .forEach(option -> {
                if (!Set.of("stage1", "annotation", "output", "cni-conf-dir")
                    .contains(option.getKey())) {
                  options.put(option.getKey(), option.getValue().asText());
                }
              });
          handlers.put(
              entry.getKey(),
              new Configuration.Handler(
                  handler.path("stage1").asText(""),
                  handler.path("annotation").asBoolean(false),
                  options,
                  OutputPolicy.valueOf(
                      handler.path("output").asText("block").toUpperCase(Locale.ROOT)),
                  handler.has("cni-conf-dir")
                      ? Optional.of(path(handler, "cni-conf-dir", Path.of("/")))
                      : Optional.empty()));
        });
    return handlers;
  }

  private Configuration.Output output(JsonNode table) {
    Optional<JournalNamespace> journal = Optional.empty();
    String namespace = table.path("journal-namespace").asText("");
    if (!namespace.isEmpty()) {
      try {
        journal = Optional.of(new JournalNamespace(namespace));
      } catch (IllegalArgumentException wrong) {
        wrong(List.of("output", "journal-namespace"), StageletException.reason(wrong));
      }
    }
    return new Configuration.Output(strings(table.path("labels")), journal);
  }

  private static LogLevels log(JsonNode table, LogLevels defaults) {
    Level usual = level(table.path("level").asText(defaults.usual().name()));
    Map<String, Level> byName = new HashMap<>();
    table
        .path("levels")
        .properties()
        .forEach(entry -> byName.put(entry.getKey(), level(entry.getValue().asText())));
    return defaults.with(usual, byName);
  }

  private static Level level(String word) {
    return Level.valueOf(word.toUpperCase(Locale.ROOT));
  }

  private static List<String> strings(JsonNode array) {
    List<String> strings = new ArrayList<>();
    array.forEach(item -> strings.add(item.asText()));
    return strings;
  }

  private static Path path(JsonNode table, String key, Path fallback) {
    return Path.of(table.path(key).asText(fallback.toString()));
  }

  private void wrong(List<String> path, String words) {
    mistakes.add(files.mistake(path, words));
  }
}
