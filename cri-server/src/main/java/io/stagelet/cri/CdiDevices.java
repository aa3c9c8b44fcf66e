package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The devices that vendors describe in files (Container Device Interface 1.0): {@code *.json},
 * {@code *.yaml} and {@code *.yml}. They are read when a container asks for one, so that no change
 * goes unseen. A device of a later directory takes the place of one of an earlier; two of the same
 * directory are a conflict, and neither can be had.
 *
 * @param directories the least important first
 */
record CdiDevices(List<Path> directories) {
  static final List<Path> DIRECTORIES = List.of(Path.of("/etc/cdi"), Path.of("/var/run/cdi"));

  private static final String ANNOTATION_PREFIX = "cdi.k8s.io/";
  private static final Pattern QUALIFIED =
      Pattern.compile(
          "[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z](?:[A-Za-z0-9_-]*[A-Za-z0-9])?=[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?");
  private static final Set<String> HOOKS =
      Set.of(
          "prestart",
          "createRuntime",
          "createContainer",
          "startContainer",
          "poststart",
          "poststop");

  CdiDevices {
    directories = List.copyOf(directories);
  }

  /** A device in a file: its own edits, and those that go with any device of the file. */
  private record Described(Path file, JsonNode device, JsonNode specification) {}

  /**
   * The devices that a container asks for: in the field, and in annotations {@code cdi.k8s.io/…};
   * each once.
   */
  static List<String> asked(List<String> field, Map<String, String> annotations) {
    Set<String> names = new LinkedHashSet<>(field);
    new TreeMap<>(annotations)
        .forEach((key, value) -> {
          if (key.startsWith(ANNOTATION_PREFIX)) {
            for (String name : value.split(",", -1)) {
              names.add(name.strip());
            }
          }
        });
    return List.copyOf(names);
  }

  /**
   * What some devices change of a container.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when there is no such device, or it cannot
   *     be had
   */
  CdiEdits edits(List<String> names) {
    if (names.isEmpty()) {
      return CdiEdits.NONE;
    }
    List<String> problems = new ArrayList<>();
    Map<String, Described> known = known(problems);
    CdiEdits edits = CdiEdits.NONE;
    Set<Path> files = new LinkedHashSet<>();
    for (String name : names) {
      Described described = known.get(name);
      if (!QUALIFIED.matcher(name).matches() || described == null) {
        throw wrong(
            "there is no CDI device '%s' in %s%s"
                .formatted(
                    name,
                    directories,
                    problems.isEmpty() ? "" : " (" + String.join("; ", problems) + ")"));
      }
      // what goes with any device of a file goes with all of them once
      if (files.add(described.file())) {
        edits =
            edits.and(edits(described.file(), described.specification().path("containerEdits")));
      }
      edits = edits.and(edits(described.file(), described.device().path("containerEdits")));
    }
    return edits;
  }

  private Map<String, Described> known(List<String> problems) {
    Map<String, Described> known = new TreeMap<>();
    for (Path directory : directories) {
      Map<String, Described> here = new TreeMap<>();
      Set<String> conflicts = new LinkedHashSet<>();
      for (Path file : files(directory, problems)) {
        try {
          JsonNode specification = new YAMLMapper().readTree(Files.readString(file));
          String kind = specification.path("kind").asText();
          for (JsonNode device : specification.path("devices")) {
            String name = kind + "=" + device.path("name").asText();
            if (here.put(name, new Described(file, device, specification)) != null) {
              conflicts.add(name);
            }
          }
        } catch (JsonProcessingException failure) {
          problems.add("%s: %s".formatted(file, failure.getOriginalMessage()));
        } catch (IOException failure) {
          problems.add("%s: %s".formatted(file, StageletException.reason(failure)));
        }
      }
      known.putAll(here);
      conflicts.forEach(name -> {
        known.remove(name);
        problems.add("%s is described twice in %s".formatted(name, directory));
      });
    }
    return known;
  }

  private static List<Path> files(Path directory, List<String> problems) {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> file.getFileName().toString().matches(".*\\.(json|yaml|yml)"))
          .sorted()
          .toList();
    } catch (IOException failure) {
      problems.add("%s: %s".formatted(directory, StageletException.reason(failure)));
      return List.of();
    }
  }

  private static CdiEdits edits(Path file, JsonNode edits) {
    for (String unbuilt : List.of("intelRdt", "netDevices")) {
      if (edits.has(unbuilt)) {
        throw new StageletException(
            ErrorCode.UNIMPLEMENTED, "%s asks for %s, which is not built".formatted(file, unbuilt));
      }
    }
    return new CdiEdits(
        texts(edits.path("env")),
        all(edits.path("deviceNodes")).map(node -> device(file, node)).toList(),
        all(edits.path("mounts")).map(node -> mount(file, node)).toList(),
        all(edits.path("hooks")).map(node -> hook(file, node)).toList(),
        all(edits.path("additionalGids")).map(JsonNode::asLong).filter(gid -> gid > 0).toList());
  }

  private static ContainerPlan.Device device(Path file, JsonNode node) {
    String path = node.path("path").asText();
    String host = node.path("hostPath").asText("");
    String permissions = node.path("permissions").asText("");
    if (!path.startsWith("/") || !permissions.matches("[rwm]{0,3}")) {
      throw wrong("%s has a device node that cannot be made: %s".formatted(file, node));
    }
    return new ContainerPlan.Device(
        Path.of(host.isEmpty() ? path : host),
        path,
        permissions.isEmpty() ? "rwm" : permissions,
        Optional.of(
            new ContainerPlan.Node(
                Optional.ofNullable(node.get("type")).map(JsonNode::asText),
                Optional.ofNullable(node.get("major")).map(JsonNode::asLong),
                Optional.ofNullable(node.get("minor")).map(JsonNode::asLong),
                Optional.ofNullable(node.get("fileMode")).map(JsonNode::asInt),
                Optional.ofNullable(node.get("uid")).map(JsonNode::asInt),
                Optional.ofNullable(node.get("gid")).map(JsonNode::asInt))));
  }

  /** Options that Stagelet has fields for become these. */
  private static ContainerRecord.MountRecord mount(Path file, JsonNode node) {
    String type = node.path("type").asText("");
    if (!Set.of("", "bind", "rbind", "none").contains(type)) {
      throw wrong("%s has a mount of type '%s'; only bind mounts can be had".formatted(file, type));
    }
    if (!Files.exists(Path.of(node.path("hostPath").asText()))) {
      throw wrong("%s has a mount whose hostPath is not there: %s".formatted(file, node));
    }
    Set<String> options = new LinkedHashSet<>(texts(node.path("options")));
    boolean readOnly = options.remove("ro");
    String propagation = "PRIVATE";
    if (options.removeAll(Set.of("rshared", "shared"))) {
      propagation = "BIDIRECTIONAL";
    } else if (options.removeAll(Set.of("rslave", "slave"))) {
      propagation = "HOST_TO_CONTAINER";
    }
    options.removeAll(Set.of("bind", "rbind", "private", "rprivate", "rw"));
    return new ContainerRecord.MountRecord(
        node.path("hostPath").asText(),
        node.path("containerPath").asText(),
        readOnly,
        false,
        false,
        propagation,
        false,
        Optional.empty(),
        List.copyOf(options));
  }

  private static ContainerPlan.Hook hook(Path file, JsonNode node) {
    String point = node.path("hookName").asText();
    String path = node.path("path").asText();
    if (!HOOKS.contains(point) || !path.startsWith("/")) {
      throw wrong("%s has a hook that cannot be had: %s".formatted(file, node));
    }
    return new ContainerPlan.Hook(
        point,
        Path.of(path),
        texts(node.path("args")),
        texts(node.path("env")),
        node.has("timeout")
            ? Optional.of(Duration.ofSeconds(node.path("timeout").asLong()))
            : Optional.empty());
  }

  private static Stream<JsonNode> all(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }

  private static List<String> texts(JsonNode array) {
    return all(array).map(JsonNode::asText).toList();
  }

  private static StageletException wrong(String words) {
    return new StageletException(ErrorCode.INVALID_ARGUMENT, words);
  }
}
