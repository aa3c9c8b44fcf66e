package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs CNI plugins: one program, one verb (CNI specification 1.1, "Execution protocol").
 *
 * @param directories where they are looked for, the first found wins
 */
record CniPlugin(List<Path> directories) {
  private static final Logger LOG = LoggerFactory.getLogger(CniPlugin.class);
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int LONGEST_QUOTE = 400;

  /** Longer than any plugin takes that works, and shorter than kubelet waits for a sandbox. */
  private static final Duration DEADLINE = Duration.ofSeconds(90);

  /** Asked while kubelet waits for the node's status, or the server's start waits. */
  private static final Duration SHORT_DEADLINE = Duration.ofSeconds(10);

  /** What a plugin is told to do. */
  enum Verb {
    ADD,
    DEL,
    CHECK,
    STATUS,
    GC
  }

  CniPlugin {
    directories = List.copyOf(directories);
  }

  /**
   * Runs a plugin.
   *
   * @param about for whom or what, in words: {@code for pod …}
   * @param environment what the verb wants beside the verb itself and the path
   * @return what it answered; empty when it answered nothing
   * @throws StageletException {@code UNAVAILABLE} with the plugin's own words when it fails
   */
  Optional<JsonNode> run(
      Verb verb,
      ObjectNode configuration,
      String network,
      String about,
      Map<String, String> environment) {
    String type = configuration.path("type").asText();
    Map<String, String> all = new HashMap<>(environment);
    all.put("CNI_COMMAND", verb.name());
    all.put("CNI_PATH", String.join(":", directories.stream().map(Path::toString).toList()));
    Command plugin =
        Command.of(program(type).toString())
            .withEnvironment(all)
            .withInput(configuration.toString().getBytes(StandardCharsets.UTF_8))
            .withDeadline(verb == Verb.STATUS || verb == Verb.GC ? SHORT_DEADLINE : DEADLINE);
    Command.Outcome outcome;
    try {
      outcome = plugin.run();
    } catch (StageletException failure) {
      throw new StageletException(
          failure.code(),
          "CNI plugin %s failed in %s %s (network %s): %s"
              .formatted(type, verb, about, network, StageletException.reason(failure)),
          failure);
    }
    if (outcome.exitCode() != 0) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "CNI plugin %s failed in %s %s (network %s): %s"
              .formatted(type, verb, about, network, complaint(outcome)));
    }
    if (outcome.errors().length > 0) {
      StoryEvent.NETWORK_PLUGIN_SAID
          .on(LOG)
          .log(
              "CNI plugin {} said in {} {}: {}",
              type,
              verb,
              about,
              quoted(new String(outcome.errors(), StandardCharsets.UTF_8)));
    }
    if (verb != Verb.ADD || outcome.text().isBlank()) {
      return Optional.empty();
    }
    try {
      return Optional.of(JSON.readTree(outcome.text()));
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "CNI plugin %s answered %s %s (network %s) with \"%s\": a CNI plugin's result is not JSON: %s"
              .formatted(
                  type, verb, about, network, quoted(outcome.text()), failure.getOriginalMessage()),
          failure);
    }
  }

  /**
   * The program of a plugin.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} when it is not installed
   */
  Path program(String type) {
    if (type.contains("/")) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "the CNI plugin type '%s' has a slash".formatted(type));
    }
    return directories.stream()
        .map(directory -> directory.resolve(type))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "the CNI plugin '%s' is in none of %s; install it, or name its directory in cni.bin-dirs"
                    .formatted(type, directories)));
  }

  private static String quoted(String answer) {
    String line = answer.strip().replaceAll("\\s+", " ");
    return line.length() <= LONGEST_QUOTE ? line : line.substring(0, LONGEST_QUOTE) + "…";
  }

  /** A plugin says its error as JSON on its standard output: {@code msg} and {@code details}. */
  private static String complaint(Command.Outcome outcome) {
    try {
      @Nullable JsonNode error = JSON.readTree(outcome.output());
      String message = error == null ? "" : error.path("msg").asText("");
      if (error != null && !message.isEmpty()) {
        String details = error.path("details").asText("");
        return details.isEmpty() ? message : message + ": " + details;
      }
    } catch (IOException notJson) {
      return outcome.complaint();
    }
    return outcome.complaint();
  }
}
