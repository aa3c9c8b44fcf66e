package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A CNI network configuration list ({@code .conflist}, or a single plugin's {@code .conf} taken for
 * a list of one).
 *
 * @param source the list as JSON
 * @param plugins the plugins' own configurations, in order; at least one
 */
record CniConfiguration(String name, String cniVersion, List<ObjectNode> plugins, String source) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern VERSION =
      Pattern.compile("([0-9]{1,4})\\.([0-9]{1,4})(?:\\.([0-9]{1,4}).*)?");

  /** The newest version of the specification that is known here. */
  private static final String NEWEST = "1.1.0";

  CniConfiguration {
    plugins = List.copyOf(plugins);
  }

  /**
   * The network that pods get: the first file of the directory, by name, that holds one; as
   * kubelet's documentation has it.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} when there is none, with what is wrong
   *     with each file
   */
  static CniConfiguration load(Path directory) {
    List<String> problems = new ArrayList<>();
    for (Path file : candidates(directory)) {
      try {
        return parse(Files.readString(file), file.getFileName().toString().endsWith(".conflist"));
      } catch (IOException | StageletException failure) {
        problems.add("%s: %s".formatted(file.getFileName(), StageletException.reason(failure)));
      }
    }
    String why =
        problems.isEmpty()
            ? "it has no .conflist, .conf or .json file"
            : String.join("; ", problems);
    throw new StageletException(
        ErrorCode.FAILED_PRECONDITION,
        "no CNI network in %s: %s; install a network plugin's configuration there"
            .formatted(directory, why));
  }

  /**
   * Parses a configuration.
   *
   * @param list whether it is a list, or one plugin's
   */
  static CniConfiguration parse(String text, boolean list) {
    JsonNode root;
    try {
      root = JSON.readTree(text);
    } catch (JsonProcessingException failure) {
      throw invalid("it is not JSON: " + failure.getOriginalMessage());
    }
    if (!(root instanceof ObjectNode object)) {
      throw invalid("it is not a JSON object");
    }
    String name = object.path("name").asText("");
    if (name.isEmpty()) {
      throw invalid("it has no name");
    }
    List<ObjectNode> plugins = new ArrayList<>();
    if (list || object.has("plugins")) {
      for (JsonNode plugin : object.path("plugins")) {
        if (plugin instanceof ObjectNode configuration
            && !plugin.path("type").asText("").isEmpty()) {
          plugins.add(configuration);
        } else {
          throw invalid("an entry of its plugins has no type");
        }
      }
    } else if (!object.path("type").asText("").isEmpty()) {
      plugins.add(object);
    }
    if (plugins.isEmpty()) {
      throw invalid("it has no plugins");
    }
    return new CniConfiguration(name, version(object), plugins, text);
  }

  /** A list may name several versions (from 1.1.0 on): the highest that is known here holds. */
  private static String version(ObjectNode list) {
    String version = list.path("cniVersion").asText("0.2.0");
    for (JsonNode other : list.path("cniVersions")) {
      if (VERSION.matcher(other.asText()).matches()
          && compare(other.asText(), version) > 0
          && compare(other.asText(), NEWEST) <= 0) {
        version = other.asText();
      }
    }
    if (!VERSION.matcher(version).matches()) {
      throw invalid("its cniVersion is '%s', which is no version".formatted(version));
    }
    return version;
  }

  /** Whether its version is this one or a later one. */
  boolean isAtLeast(String version) {
    return compare(cniVersion, version) >= 0;
  }

  private static int compare(String one, String other) {
    return Arrays.compare(numbers(one), numbers(other));
  }

  private static int[] numbers(String version) {
    Matcher parts = VERSION.matcher(version);
    return parts.matches()
        ? new int[] {
          Integer.parseInt(parts.group(1)),
          Integer.parseInt(parts.group(2)),
          parts.group(3) == null ? 0 : Integer.parseInt(parts.group(3))
        }
        : new int[3];
  }

  /** Whether attachments are not to be checked. */
  boolean disablesCheck() {
    return isSet("disableCheck");
  }

  /** Whether its plugins are not to be told what is still attached. */
  boolean disablesGarbageCollection() {
    return isSet("disableGC");
  }

  /** A flag of the list; some write it as a text. */
  private boolean isSet(String flag) {
    try {
      return JSON.readTree(source).path(flag).asBoolean();
    } catch (JsonProcessingException failure) {
      throw invalid("it is not JSON: " + failure.getOriginalMessage());
    }
  }

  /** The same network from what an attachment stored. */
  static CniConfiguration of(CniAttachment attachment) {
    return parse(attachment.configuration(), false);
  }

  private static List<Path> candidates(Path directory) {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries
          .filter(file -> file.getFileName().toString().matches(".*\\.(conflist|conf|json)"))
          .filter(Files::isRegularFile)
          .sorted()
          .toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "the CNI configuration directory %s cannot be read: %s; install a network plugin's configuration there"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  private static StageletException invalid(String why) {
    return new StageletException(ErrorCode.INVALID_ARGUMENT, why);
  }
}
