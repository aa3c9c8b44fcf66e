package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import io.stagelet.cri.streaming.StreamingSettings;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.LogLevels;
import io.stagelet.journal.OutputPolicy;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.slf4j.event.Level;

/**
 * Reads {@code stagelet.toml}. All mistakes are collected and reported together, each with its key.
 *
 * <pre>
 *   socket = "/run/stagelet/stagelet.sock"
 *   root = "/var/lib/stagelet"
 *   run = "/run/stagelet"
 *   default-handler = "crun"
 *
 *   [cni]
 *   conf-dir = "/etc/cni/net.d"
 *   bin-dirs = ["/opt/cni/bin", "/usr/lib/cni"]
 *
 *   [registries]
 *   insecure = []                 # hosts to speak plain http to
 *
 *   [images]
 *   pinned = []                   # names, with *, of images that kubelet does not collect
 *
 *   [streaming]                   # exec, attach and port-forward
 *   address = "127.0.0.1"         # must be reachable for kubelet
 *   port = 0                      # any
 *   idle-timeout = 14400          # seconds
 *   tls-cert = "/etc/stagelet/streaming.crt"       # with tls-key: HTTPS
 *   tls-key = "/etc/stagelet/streaming.key"        # PKCS #8, without a password
 *   tls-client-ca = "/etc/stagelet/kubelet-ca.crt" # clients must have a certificate of it
 *
 *   [handlers.crun]
 *   stage1 = "oci"
 *   annotation = true             # whether a pod may pick it by the annotation stagelet.io/stage1
 *   output = "block"              # or "drop": what happens while the journal or disk takes no output
 *   cni-conf-dir = "/etc/cni/x.d" # the network of its pods, where it is another
 *   runtime = "/usr/bin/crun"     # this and every other key is the stage1's own
 *
 *   [output]
 *   labels = ["app"]              # labels of pods that become journal fields (K8S_LABEL_APP)
 *   journal-namespace = "pods"    # its own journal for containers; the system's where this is absent
 *
 *   [log]
 *   level = "info"                # error, warn, info, debug or trace
 *   levels = { "io.stagelet.units" = "debug" }
 * </pre>
 */
final class ConfigurationReader {
  private static final Set<String> KEYS =
      Set.of(
          "socket",
          "root",
          "run",
          "default-handler",
          "cni",
          "registries",
          "images",
          "streaming",
          "handlers",
          "output",
          "log");

  private static final int LAST_PORT = 65_535;

  private final Path file;
  private final List<String> problems = new ArrayList<>();

  private ConfigurationReader(Path file) {
    this.file = file;
  }

  /**
   * The configuration of a file, over the defaults; the defaults alone when there is no such file.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} that lists every mistake in the file
   */
  static Configuration read(Path file) {
    ConfigurationReader reader = new ConfigurationReader(file);
    Configuration configuration = reader.parse(reader.tree());
    if (!reader.problems.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s has %d mistake%s:%n  - %s"
              .formatted(
                  file,
                  reader.problems.size(),
                  reader.problems.size() == 1 ? "" : "s",
                  String.join("\n  - ", reader.problems)));
    }
    return configuration;
  }

  private JsonNode tree() {
    TomlMapper toml = new TomlMapper();
    try {
      return toml.readTree(Files.readString(file));
    } catch (NoSuchFileException absent) {
      return toml.createObjectNode();
    } catch (JsonProcessingException failure) {
      problems.add(
          "line %d: %s"
              .formatted(
                  failure.getLocation() == null ? 0 : failure.getLocation().getLineNr(),
                  failure.getOriginalMessage()));
      return toml.createObjectNode();
    } catch (IOException failure) {
      problems.add("it cannot be read: " + StageletException.reason(failure));
      return toml.createObjectNode();
    }
  }

  private Configuration parse(JsonNode root) {
    Configuration defaults = Configuration.defaults();
    unknown(root, "", KEYS);
    JsonNode cni = table(root, "cni", Set.of("conf-dir", "bin-dirs"));
    JsonNode registries = table(root, "registries", Set.of("insecure"));
    JsonNode images = table(root, "images", Set.of("pinned"));
    Map<String, Configuration.Handler> handlers =
        root.has("handlers") ? handlers(root.get("handlers")) : defaults.handlers();
    String defaultHandler =
        string(root, "default-handler", "default-handler", defaults.defaultHandler());
    if (!handlers.containsKey(defaultHandler)) {
      problems.add(
          "default-handler: there is no handler '%s'; there are %s"
              .formatted(defaultHandler, new TreeMap<>(handlers).keySet()));
    }
    return new Configuration(
        path(root, "socket", "socket", defaults.socket()),
        path(root, "root", "root", defaults.root()),
        path(root, "run", "run", defaults.runDirectory()),
        path(cni, "conf-dir", "cni.conf-dir", defaults.cniConfigurationDirectory()),
        strings(cni, "bin-dirs", "cni.bin-dirs")
            .map(names -> names.stream().map(name -> absolute(name, "cni.bin-dirs")).toList())
            .orElse(defaults.cniBinaryDirectories()),
        defaultHandler,
        handlers,
        strings(registries, "insecure", "registries.insecure")
            .orElse(defaults.insecureRegistries()),
        strings(images, "pinned", "images.pinned").orElse(defaults.pinnedImages()),
        output(root),
        log(root, defaults.log()),
        streaming(root, defaults.streaming()));
  }

  private StreamingSettings streaming(JsonNode root, StreamingSettings defaults) {
    JsonNode table =
        table(
            root,
            "streaming",
            Set.of("address", "port", "tls-cert", "tls-key", "tls-client-ca", "idle-timeout"));
    int port = table.path("port").asInt(defaults.port());
    if (table.has("port") && (!table.get("port").isInt() || port < 0 || port > LAST_PORT)) {
      problems.add("streaming.port: must be a number from 0 (any) to %d".formatted(LAST_PORT));
    }
    int idle = table.path("idle-timeout").asInt((int) defaults.idleTimeout().toSeconds());
    if (table.has("idle-timeout") && (!table.get("idle-timeout").isInt() || idle < 1)) {
      problems.add("streaming.idle-timeout: must be a number of seconds, 1 or more");
    }
    Optional<StreamingSettings.Tls> tls = Optional.empty();
    if (table.has("tls-cert") && table.has("tls-key")) {
      tls =
          Optional.of(
              new StreamingSettings.Tls(
                  path(table, "tls-cert", "streaming.tls-cert", Path.of("/")),
                  path(table, "tls-key", "streaming.tls-key", Path.of("/")),
                  table.has("tls-client-ca")
                      ? Optional.of(
                          path(table, "tls-client-ca", "streaming.tls-client-ca", Path.of("/")))
                      : Optional.empty()));
    } else if (table.has("tls-cert") || table.has("tls-key") || table.has("tls-client-ca")) {
      problems.add("streaming: tls-cert and tls-key go together, and tls-client-ca with them");
    }
    return new StreamingSettings(
        string(table, "address", "streaming.address", defaults.address()),
        port,
        tls,
        Duration.ofSeconds(Math.max(1, idle)));
  }

  private Map<String, Configuration.Handler> handlers(JsonNode node) {
    Map<String, Configuration.Handler> handlers = new HashMap<>();
    if (!node.isObject()) {
      problems.add("handlers: must be tables, one for each handler: [handlers.NAME]");
      return handlers;
    }
    node.properties()
        .forEach(entry -> {
          String key = "handlers." + entry.getKey();
          JsonNode handler = entry.getValue();
          if (!handler.isObject()) {
            problems.add(key + ": must be a table");
            return;
          }
          String stage1 = string(handler, "stage1", key + ".stage1", "");
          if (stage1.isEmpty()) {
            problems.add(
                key + ".stage1: is missing; it says which stage1 the handler is, such as \"oci\"");
          }
          Map<String, String> options = new HashMap<>();
          handler
              .properties()
              .forEach(option -> {
                if (!Set.of("stage1", "annotation", "output", "cni-conf-dir")
                    .contains(option.getKey())) {
                  options.put(
                      option.getKey(),
                      string(handler, option.getKey(), key + "." + option.getKey(), ""));
                }
              });
          handlers.put(
              entry.getKey(),
              new Configuration.Handler(
                  stage1,
                  flag(handler, "annotation", key + ".annotation"),
                  options,
                  policy(handler, key + ".output"),
                  handler.has("cni-conf-dir")
                      ? Optional.of(
                          path(handler, "cni-conf-dir", key + ".cni-conf-dir", Path.of("/")))
                      : Optional.empty()));
        });
    return handlers;
  }

  private OutputPolicy policy(JsonNode handler, String key) {
    String word = string(handler, "output", key, "block");
    return switch (word) {
      case "block" -> OutputPolicy.BLOCK;
      case "drop" -> OutputPolicy.DROP;
      default -> {
        problems.add("%s: must be \"block\" or \"drop\", not '%s'".formatted(key, word));
        yield OutputPolicy.BLOCK;
      }
    };
  }

  private Configuration.Output output(JsonNode root) {
    JsonNode output = table(root, "output", Set.of("labels", "journal-namespace"));
    String namespace = string(output, "journal-namespace", "output.journal-namespace", "");
    Optional<JournalNamespace> journal = Optional.empty();
    if (!namespace.isEmpty()) {
      try {
        journal = Optional.of(new JournalNamespace(namespace));
      } catch (IllegalArgumentException wrong) {
        problems.add("output.journal-namespace: " + wrong.getMessage());
      }
    }
    return new Configuration.Output(
        strings(output, "labels", "output.labels").orElse(List.of()), journal);
  }

  private LogLevels log(JsonNode root, LogLevels defaults) {
    JsonNode log = table(root, "log", Set.of("level", "levels"));
    Level usual = level(log.path("level"), "log.level", defaults.usual());
    Map<String, Level> byName = new HashMap<>();
    JsonNode levels = log.path("levels");
    if (!levels.isMissingNode() && !levels.isObject()) {
      problems.add("log.levels: must be a table of logger names and levels");
    }
    levels
        .properties()
        .forEach(entry ->
            byName.put(
                entry.getKey(), level(entry.getValue(), "log.levels." + entry.getKey(), usual)));
    return defaults.with(usual, byName);
  }

  private Level level(JsonNode value, String key, Level fallback) {
    if (value.isMissingNode()) {
      return fallback;
    }
    for (Level level : Level.values()) {
      if (level.name().equalsIgnoreCase(value.asText())) {
        return level;
      }
    }
    problems.add("%s: must be error, warn, info, debug or trace, not %s".formatted(key, value));
    return fallback;
  }

  private JsonNode table(JsonNode root, String key, Set<String> known) {
    JsonNode table = root.path(key);
    if (!table.isMissingNode() && !table.isObject()) {
      problems.add(key + ": must be a table");
    }
    unknown(table, key + ".", known);
    return table;
  }

  private void unknown(JsonNode node, String prefix, Set<String> known) {
    Consumer<String> report =
        key ->
            problems.add(
                "%s%s: there is no such key; there are %s"
                    .formatted(prefix, key, known.stream().sorted().toList()));
    node.properties().stream()
        .map(Map.Entry::getKey)
        .filter(key -> !known.contains(key))
        .forEach(report);
  }

  private String string(JsonNode node, String key, String name, String fallback) {
    JsonNode value = node.path(key);
    if (value.isMissingNode()) {
      return fallback;
    }
    if (!value.isTextual()) {
      problems.add("%s: must be a string, not %s".formatted(name, value));
      return fallback;
    }
    return value.asText();
  }

  private boolean flag(JsonNode node, String key, String name) {
    JsonNode value = node.path(key);
    if (!value.isMissingNode() && !value.isBoolean()) {
      problems.add("%s: must be true or false, not %s".formatted(name, value));
    }
    return value.asBoolean(false);
  }

  private Optional<List<String>> strings(JsonNode node, String key, String name) {
    JsonNode value = node.path(key);
    if (value.isMissingNode()) {
      return Optional.empty();
    }
    List<String> strings = new ArrayList<>();
    if (!value.isArray()) {
      problems.add("%s: must be an array of strings, not %s".formatted(name, value));
    }
    for (JsonNode item : value) {
      if (item.isTextual()) {
        strings.add(item.asText());
      } else {
        problems.add("%s: must be an array of strings; %s is none".formatted(name, item));
      }
    }
    return Optional.of(strings);
  }

  private Path path(JsonNode node, String key, String name, Path fallback) {
    return absolute(string(node, key, name, fallback.toString()), name);
  }

  private Path absolute(String value, String name) {
    Path path = Path.of(value);
    if (!path.isAbsolute()) {
      problems.add("%s: must be an absolute path, not '%s'".formatted(name, value));
    }
    return path;
  }
}
