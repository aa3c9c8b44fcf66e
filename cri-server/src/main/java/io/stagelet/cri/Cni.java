package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs CNI plugins (CNI specification 1.0, "Execution protocol") to attach sandboxes to a network
 * and to detach them.
 *
 * <p>The loopback interface is brought up by whoever makes the network namespace; no plugin is run
 * for it.
 */
final class Cni {
  /** The pod's interface that CNI makes. */
  static final String INTERFACE = "eth0";

  private static final Logger LOG = LoggerFactory.getLogger(Cni.class);
  private static final int LONGEST_QUOTE = 400;

  /** How long a plugin may take: kubelet waits four minutes for a sandbox. */
  static final Duration PLUGIN_DEADLINE = Duration.ofSeconds(90);

  private final Duration pluginDeadline;
  private final Faults faults;
  private volatile Directories directories;
  private final ObjectMapper json = new ObjectMapper();

  /**
   * Plugins by what a node's administrator installs.
   *
   * @param configurationDirectory read anew for each sandbox, so that no change goes unseen
   * @param pluginDeadline how long one plugin may take; then it is killed
   */
  Cni(
      Path configurationDirectory,
      List<Path> binaryDirectories,
      Duration pluginDeadline,
      Faults faults) {
    this.pluginDeadline = pluginDeadline;
    this.faults = faults;
    this.directories = new Directories(configurationDirectory, binaryDirectories);
  }

  private record Directories(Path configuration, List<Path> binaries) {
    Directories {
      binaries = List.copyOf(binaries);
    }
  }

  /** From now on networks and plugins are looked for there. */
  void use(Path configurationDirectory, List<Path> binaryDirectories) {
    directories = new Directories(configurationDirectory, binaryDirectories);
  }

  /** Which sandbox a plugin is called for. */
  record Target(String containerId, Path networkNamespace, SandboxRecord.PodKey pod) {}

  /** Why pods cannot get a network now, in words; empty when they can. */
  Optional<String> unreadiness() {
    try {
      for (ObjectNode plugin : CniConfiguration.load(directories.configuration()).plugins()) {
        var _ = binary(plugin.path("type").asText());
      }
      return Optional.empty();
    } catch (StageletException failure) {
      return Optional.of(StageletException.reason(failure));
    }
  }

  /** The network that a sandbox made now would get. */
  CniConfiguration network() {
    return CniConfiguration.load(directories.configuration());
  }

  /**
   * An attachment before its plugins have run, to be stored first: a crash in between is then
   * undone with it.
   */
  CniAttachment planned(CniConfiguration network, List<CniAttachment.PortMapping> portMappings) {
    return new CniAttachment(network.name(), network.source(), "", List.of(), portMappings);
  }

  /**
   * Attaches a sandbox: ADD of each plugin in order. When one fails, those that ran are undone.
   *
   * @throws StageletException with the plugin's own words
   */
  CniAttachment attach(Target target, CniAttachment planned) {
    CniConfiguration network = CniConfiguration.of(planned);
    long begun = System.nanoTime();
    JsonNode result = null;
    for (ObjectNode plugin : network.plugins()) {
      try {
        result = call("ADD", plugin, network, target, planned, result);
        faults.at(FaultPoint.RUN_NETWORK_PLUGIN_RAN);
      } catch (StageletException failure) {
        try {
          detach(target, planned);
        } catch (StageletException undo) {
          failure.addSuppressed(undo);
        }
        throw failure;
      }
    }
    String text = result == null ? "" : result.toString();
    CniAttachment attachment =
        new CniAttachment(
            network.name(), network.source(), text, addresses(result), planned.portMappings());
    StoryEvent.NETWORK_JOINED
        .on(LOG)
        .log(
            "pod {} has joined the network {} (CNI plugins {}) with {}, after {} ms",
            named(target),
            network.name(),
            types(network),
            attachment.addresses().isEmpty()
                ? "no address"
                : String.join(" and ", attachment.addresses()),
            Duration.ofNanos(System.nanoTime() - begun).toMillis());
    return attachment;
  }

  /**
   * Detaches a sandbox: DEL of each plugin in reverse order, all of them even when one fails. May
   * be repeated, and works when the network namespace is gone.
   *
   * @throws StageletException with the words of those that failed
   */
  void detach(Target target, CniAttachment attachment) {
    CniConfiguration network = CniConfiguration.of(attachment);
    StageletException failed = null;
    for (ObjectNode plugin : network.plugins().reversed()) {
      try {
        call("DEL", plugin, network, target, attachment, parsed(attachment.result()));
        faults.at(FaultPoint.STOP_POD_NETWORK_PLUGIN_RAN);
      } catch (StageletException failure) {
        if (failed == null) {
          failed = failure;
        } else {
          failed.addSuppressed(failure);
        }
      }
    }
    if (failed != null) {
      throw failed;
    }
    StoryEvent.NETWORK_LEFT
        .on(LOG)
        .log("pod {} has left the network {}", named(target), network.name());
  }

  private static String named(Target target) {
    return target.pod().namespace() + "/" + target.pod().name();
  }

  private static String types(CniConfiguration network) {
    return network.plugins().stream()
        .map(plugin -> plugin.path("type").asText())
        .collect(Collectors.joining(", "));
  }

  private @Nullable JsonNode call(
      String verb,
      ObjectNode plugin,
      CniConfiguration network,
      Target target,
      CniAttachment attachment,
      @Nullable JsonNode previous) {
    String type = plugin.path("type").asText();
    Path binary = binary(type);
    ObjectNode request = plugin.deepCopy();
    request.put("name", network.name());
    request.put("cniVersion", network.cniVersion());
    if (previous != null) {
      request.set("prevResult", previous);
    }
    if (plugin.path("capabilities").path("portMappings").asBoolean()
        && !attachment.portMappings().isEmpty()) {
      request
          .putObject("runtimeConfig")
          .set(
              "portMappings",
              json.valueToTree(
                  attachment.portMappings().stream()
                      .map(CniAttachment.PortMapping::argument)
                      .toList()));
    }
    Command.Outcome outcome;
    try {
      outcome =
          Command.of(binary.toString())
              .withEnvironment(environment(verb, target))
              .withInput(request.toString().getBytes(StandardCharsets.UTF_8))
              .withDeadline(pluginDeadline)
              .run();
    } catch (StageletException failure) {
      throw new StageletException(
          failure.code(),
          "CNI plugin %s failed in %s for pod %s (network %s): %s"
              .formatted(
                  type, verb, target.pod(), network.name(), StageletException.reason(failure)),
          failure);
    }
    if (outcome.exitCode() != 0) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "CNI plugin %s failed in %s for pod %s (network %s): %s"
              .formatted(type, verb, target.pod(), network.name(), complaint(outcome)));
    }
    if (outcome.errors().length > 0) {
      StoryEvent.NETWORK_PLUGIN_SAID
          .on(LOG)
          .log(
              "CNI plugin {} said in {} for pod {}: {}",
              type,
              verb,
              named(target),
              quoted(new String(outcome.errors(), StandardCharsets.UTF_8)));
    }
    if (!verb.equals("ADD")) {
      return null;
    }
    try {
      return parsed(outcome.text());
    } catch (StageletException failure) {
      throw new StageletException(
          failure.code(),
          "CNI plugin %s answered %s for pod %s (network %s) with \"%s\": %s"
              .formatted(
                  type,
                  verb,
                  target.pod(),
                  network.name(),
                  quoted(outcome.text()),
                  StageletException.reason(failure)),
          failure);
    }
  }

  private static String quoted(String answer) {
    String line = answer.strip().replaceAll("\\s+", " ");
    return line.length() <= LONGEST_QUOTE ? line : line.substring(0, LONGEST_QUOTE) + "…";
  }

  private Map<String, String> environment(String verb, Target target) {
    SandboxRecord.PodKey pod = target.pod();
    Map<String, String> environment = new HashMap<>();
    environment.put("CNI_COMMAND", verb);
    environment.put("CNI_CONTAINERID", target.containerId());
    // a namespace that is gone must not be named: DEL then works without it
    environment.put(
        "CNI_NETNS",
        isNamespace(target.networkNamespace()) ? target.networkNamespace().toString() : "");
    environment.put("CNI_IFNAME", INTERFACE);
    environment.put(
        "CNI_ARGS",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;K8S_POD_INFRA_CONTAINER_ID=%s;K8S_POD_UID=%s"
            .formatted(pod.namespace(), pod.name(), target.containerId(), pod.uid()));
    environment.put(
        "CNI_PATH", String.join(":", directories.binaries().stream().map(Path::toString).toList()));
    return environment;
  }

  /** When a pod's unit is stopped from outside, the file stays and the namespace on it goes. */
  private static boolean isNamespace(Path pin) {
    try {
      Path real = pin.toRealPath();
      return MountInfo.all().stream().anyMatch(mount -> mount.target().equals(real));
    } catch (IOException gone) {
      return false;
    }
  }

  private Path binary(String type) {
    if (type.contains("/")) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "the CNI plugin type '%s' has a slash".formatted(type));
    }
    return directories.binaries().stream()
        .map(directory -> directory.resolve(type))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "the CNI plugin '%s' is in none of %s; install it, or name its directory in cni.bin-dirs"
                    .formatted(type, directories.binaries())));
  }

  /** A plugin says its error as JSON on its standard output: {@code msg} and {@code details}. */
  private String complaint(Command.Outcome outcome) {
    try {
      JsonNode error = json.readTree(outcome.output());
      String details = error.path("details").asText("");
      String message = error.path("msg").asText("");
      if (!message.isEmpty()) {
        return details.isEmpty() ? message : message + ": " + details;
      }
    } catch (java.io.IOException notJson) {
      return outcome.complaint();
    }
    return outcome.complaint();
  }

  private @Nullable JsonNode parsed(String text) {
    if (text.isBlank()) {
      return null;
    }
    try {
      return json.readTree(text);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "a CNI plugin's result is not JSON: " + failure.getOriginalMessage(),
          failure);
    }
  }

  /** Results since 0.3.0 list {@code ips}; older ones have {@code ip4} and {@code ip6}. */
  private static List<String> addresses(@Nullable JsonNode result) {
    List<String> addresses = new ArrayList<>();
    if (result != null) {
      result
          .path("ips")
          .forEach(entry -> addresses.add(withoutPrefix(entry.path("address").asText())));
      for (String family : List.of("ip4", "ip6")) {
        String address = result.path(family).path("ip").asText("");
        if (!address.isEmpty()) {
          addresses.add(withoutPrefix(address));
        }
      }
    }
    return addresses;
  }

  private static String withoutPrefix(String address) {
    int slash = address.indexOf('/');
    return slash < 0 ? address : address.substring(0, slash);
  }
}
