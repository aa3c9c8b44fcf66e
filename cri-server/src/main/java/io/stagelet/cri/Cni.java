package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The networks of pods, as CNI plugins make them (CNI specification 1.1).
 *
 * <pre>
 *   ADD     a sandbox is made           every version
 *   DEL     it is stopped               every version
 *   CHECK   "stagelet check"            from 0.4.0 on, unless the list has disableCheck
 *   STATUS  kubelet asks how it is      from 1.1.0 on
 *   GC      the server starts           from 1.1.0 on, unless the list has disableGC
 * </pre>
 *
 * <p>The configuration is read anew each time it is used, so that no change goes unseen. The
 * loopback interface is brought up by whoever makes the network namespace; no plugin is run for it.
 * Safe for any thread.
 */
final class Cni {
  /** The pod's interface that CNI makes. */
  static final String INTERFACE = "eth0";

  private static final Logger LOG = LoggerFactory.getLogger(Cni.class);
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String WITH_CHECK = "0.4.0";
  private static final String WITH_STATUS_AND_GC = "1.1.0";

  /** kubelet asks every few seconds, and others too. */
  private static final Duration STATUS_IS_FRESH = Duration.ofSeconds(4);

  /** What was last found of the default network. */
  private record Status(Instant at, Optional<String> problem) {}

  private final Map<String, Path> directoriesOfHandlers;
  private volatile Path defaultDirectory;
  private volatile CniPlugin plugins;
  private final Clock clock;
  private final Faults faults;
  private volatile @Nullable Status status;
  private volatile String told = "";

  /**
   * Plugins by what a node's administrator installs.
   *
   * @param defaultDirectory where the network's configuration is
   * @param directoriesOfHandlers the same, of handlers that have a network of their own
   */
  Cni(
      Path defaultDirectory,
      Map<String, Path> directoriesOfHandlers,
      List<Path> binaryDirectories,
      Clock clock,
      Faults faults) {
    this.defaultDirectory = defaultDirectory;
    this.directoriesOfHandlers = Map.copyOf(directoriesOfHandlers);
    this.plugins = new CniPlugin(binaryDirectories);
    this.clock = clock;
    this.faults = faults;
  }

  /** From now on networks and plugins are looked for there. */
  void use(Path otherDirectory, List<Path> binaryDirectories) {
    defaultDirectory = otherDirectory;
    plugins = new CniPlugin(binaryDirectories);
  }

  /** Which sandbox a plugin is called for. */
  record Target(String containerId, Path networkNamespace, SandboxRecord.PodKey pod) {}

  /** Where configurations are. */
  List<Path> directories() {
    List<Path> all = new ArrayList<>(List.of(defaultDirectory));
    directoriesOfHandlers.values().stream().filter(path -> !all.contains(path)).forEach(all::add);
    return all;
  }

  /**
   * Why pods cannot get a network now, in the words of whoever refuses; empty when they can. That
   * is the default network: without that of one handler, the node still runs the pods of others.
   */
  Optional<String> unreadiness() {
    Status known = status;
    if (known == null || known.at().plus(STATUS_IS_FRESH).isBefore(clock.instant())) {
      known = new Status(clock.instant(), problem(defaultDirectory));
      status = known;
    }
    return known.problem();
  }

  /** Why pods of a handler with a network of its own cannot get it now, by handler. */
  Map<String, String> unreadinessOfHandlers() {
    Map<String, String> problems = new LinkedHashMap<>();
    directoriesOfHandlers.forEach((handler, directory) ->
        problem(directory).ifPresent(words -> problems.put(handler, words)));
    return problems;
  }

  /** To be called when a configuration has changed: what is known of it is old, and it is told. */
  void changed() {
    status = null;
    String now;
    try {
      CniConfiguration network = network("");
      now = "pods get the network %s (CNI %s)".formatted(network.name(), network.cniVersion());
    } catch (StageletException failure) {
      now = StageletException.reason(failure);
    }
    if (!now.equals(told)) {
      told = now;
      StoryEvent.NETWORK_CHANGED.on(LOG).log("the network's configuration has changed: {}", now);
    }
  }

  private Optional<String> problem(Path directory) {
    try {
      CniConfiguration network = CniConfiguration.load(directory);
      for (ObjectNode plugin : network.plugins()) {
        var _ = plugins.program(plugin.path("type").asText());
      }
      if (network.isAtLeast(WITH_STATUS_AND_GC)) {
        for (ObjectNode plugin : network.plugins()) {
          var _ =
              plugins.run(
                  CniPlugin.Verb.STATUS,
                  request(plugin, network),
                  network.name(),
                  "of the node",
                  Map.of());
        }
      }
      return Optional.empty();
    } catch (StageletException failure) {
      return Optional.of(StageletException.reason(failure));
    }
  }

  /** The network that a sandbox of a handler would get now. */
  CniConfiguration network(String handler) {
    return CniConfiguration.load(directoriesOfHandlers.getOrDefault(handler, defaultDirectory));
  }

  /**
   * An attachment before its plugins have run, to be stored first: a crash in between is then
   * undone with it.
   *
   * @param arguments of {@link CniCapabilities}
   */
  CniAttachment planned(
      CniConfiguration network,
      List<CniAttachment.PortMapping> portMappings,
      ObjectNode arguments) {
    return new CniAttachment(
        network.name(), network.source(), "", List.of(), portMappings, arguments.toString());
  }

  /**
   * Attaches a sandbox: ADD of each plugin in order. When one fails, those that ran are undone.
   *
   * @throws StageletException with the plugin's own words
   */
  CniAttachment attach(Target target, CniAttachment planned) {
    long begun = System.nanoTime();
    CniConfiguration network = CniConfiguration.of(planned);
    JsonNode result = null;
    for (ObjectNode plugin : network.plugins()) {
      try {
        result = call(CniPlugin.Verb.ADD, plugin, network, target, planned, result).orElse(null);
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
            network.name(),
            network.source(),
            text,
            addresses(result),
            planned.portMappings(),
            planned.arguments());
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

  private static String named(Target target) {
    return target.pod().namespace() + "/" + target.pod().name();
  }

  private static String types(CniConfiguration network) {
    return network.plugins().stream()
        .map(plugin -> plugin.path("type").asText())
        .collect(Collectors.joining(", "));
  }

  /**
   * Detaches a sandbox: DEL of each plugin in reverse order, all of them even when one fails. May
   * be repeated, and works when the network namespace is gone.
   *
   * @throws StageletException with the words of those that failed
   */
  void detach(Target target, CniAttachment attachment) {
    CniConfiguration network = CniConfiguration.of(attachment);
    Failures failures = new Failures();
    for (ObjectNode plugin : network.plugins().reversed()) {
      failures.of(() ->
          call(
              CniPlugin.Verb.DEL,
              plugin,
              network,
              target,
              attachment,
              parsed(attachment.result())));
      faults.at(FaultPoint.STOP_POD_NETWORK_PLUGIN_RAN);
    }
    failures.end();
    StoryEvent.NETWORK_LEFT
        .on(LOG)
        .log("pod {} has left the network {}", named(target), network.name());
  }

  /**
   * Asks whether an attachment is as it was made: CHECK of each plugin in order, where the version
   * of the configuration has it.
   *
   * @throws StageletException with the words of the one that says it is not
   */
  void check(Target target, CniAttachment attachment) {
    CniConfiguration network = CniConfiguration.of(attachment);
    if (network.isAtLeast(WITH_CHECK) && !network.disablesCheck()) {
      for (ObjectNode plugin : network.plugins()) {
        var _ =
            call(
                CniPlugin.Verb.CHECK,
                plugin,
                network,
                target,
                attachment,
                parsed(attachment.result()));
      }
    }
  }

  /**
   * Makes the plugins of all networks clean up what no sandbox has any more: GC, where the version
   * of a configuration has it.
   *
   * @param attached the ids of all sandboxes that have an attachment, known or only suspected
   * @throws StageletException with the words of those that failed
   */
  void collectGarbage(Collection<String> attached) {
    Failures failures = new Failures();
    for (CniConfiguration network : networks()) {
      if (!network.isAtLeast(WITH_STATUS_AND_GC) || network.disablesGarbageCollection()) {
        continue;
      }
      ArrayNode valid = JSON.createArrayNode();
      attached.forEach(id -> valid.addObject().put("containerID", id).put("ifname", INTERFACE));
      for (ObjectNode plugin : network.plugins()) {
        ObjectNode request = request(plugin, network);
        request.set("cni.dev/valid-attachments", valid);
        failures.of(
            () -> plugins.run(CniPlugin.Verb.GC, request, network.name(), "of the node", Map.of()));
      }
    }
    failures.end();
  }

  /** The networks that are configured now, those of handlers too; one that is wrong is left out. */
  List<CniConfiguration> networks() {
    Map<String, CniConfiguration> networks = new LinkedHashMap<>();
    for (Path directory : directories()) {
      try {
        CniConfiguration network = CniConfiguration.load(directory);
        networks.putIfAbsent(network.name(), network);
      } catch (StageletException wrong) {
        LOG.debug("{} has no network: {}", directory, StageletException.reason(wrong));
      }
    }
    return List.copyOf(networks.values());
  }

  /** Gives an address back that a sandbox had which nobody knows: DEL in its name. */
  void release(CniLeases.Lease lease) {
    detach(
        new Target(
            lease.sandbox(),
            Path.of("/nonexistent"),
            new SandboxRecord.PodKey("unknown", "unknown", "unknown", 0)),
        new CniAttachment(
            lease.network(), lease.networkNow().source(), "", List.of(), List.of(), ""));
  }

  private Optional<JsonNode> call(
      CniPlugin.Verb verb,
      ObjectNode plugin,
      CniConfiguration network,
      Target target,
      CniAttachment attachment,
      @Nullable JsonNode previous) {
    ObjectNode request = request(plugin, network);
    if (previous != null) {
      request.set("prevResult", previous);
    }
    ObjectNode taken = CniCapabilities.taken(plugin, arguments(attachment));
    if (!taken.isEmpty()) {
      request.set("runtimeConfig", taken);
    }
    return plugins.run(
        verb, request, network.name(), "for pod " + target.pod(), environment(target));
  }

  private static ObjectNode request(ObjectNode plugin, CniConfiguration network) {
    ObjectNode request = plugin.deepCopy();
    request.put("name", network.name());
    request.put("cniVersion", network.cniVersion());
    return request;
  }

  private static Map<String, String> environment(Target target) {
    SandboxRecord.PodKey pod = target.pod();
    Map<String, String> environment = new HashMap<>();
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

  private static ObjectNode arguments(CniAttachment attachment) {
    if (parsed(attachment.arguments()) instanceof ObjectNode arguments) {
      return arguments;
    }
    ObjectNode arguments = JSON.createObjectNode();
    if (!attachment.portMappings().isEmpty()) {
      arguments.set("portMappings", CniCapabilities.portMappings(attachment.portMappings()));
    }
    return arguments;
  }

  private static @Nullable JsonNode parsed(String text) {
    if (text.isBlank()) {
      return null;
    }
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "what was stored of a CNI attachment is not JSON: " + failure.getOriginalMessage(),
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

  /** Goes on when one fails, and tells of all at the end. */
  private static final class Failures {
    private @Nullable StageletException first;

    void of(java.util.function.Supplier<?> work) {
      try {
        var _ = work.get();
      } catch (StageletException failure) {
        if (first == null) {
          first = failure;
        } else {
          first.addSuppressed(failure);
        }
      }
    }

    void end() {
      StageletException failed = first;
      if (failed != null) {
        throw failed;
      }
    }
  }
}
