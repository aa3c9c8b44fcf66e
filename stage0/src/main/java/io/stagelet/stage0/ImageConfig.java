package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What an image says of how to run it (OCI image specification, "Image Configuration").
 *
 * @param user name or number, with a group after a colon; empty for root
 * @param environment {@code NAME=value}
 * @param entrypoint the program and its first arguments; may be empty
 * @param command the program's default arguments, or the program where there is no entry point
 * @param workingDirectory where it starts; empty for the root
 * @param volumes directories that want a volume
 * @param stopSignal how to ask it to end ({@code SIGTERM} or a number); empty where not said
 * @param labels what its maker says of it
 * @param exposedPorts {@code 80/tcp}
 * @param created when it was made
 * @param os the operating system it is for
 * @param architecture the processor it is for, in Go's words ({@code amd64})
 * @param variant and its variant ({@code v8}); mostly empty
 */
public record ImageConfig(
    String user,
    List<String> environment,
    List<String> entrypoint,
    List<String> command,
    String workingDirectory,
    Set<String> volumes,
    String stopSignal,
    Map<String, String> labels,
    Set<String> exposedPorts,
    Optional<Instant> created,
    String os,
    String architecture,
    String variant) {
  public ImageConfig {
    environment = List.copyOf(environment);
    entrypoint = List.copyOf(entrypoint);
    command = List.copyOf(command);
    volumes = Set.copyOf(volumes);
    labels = Map.copyOf(labels);
    exposedPorts = Set.copyOf(exposedPorts);
  }

  /** The configuration in a blob's document. */
  static ImageConfig of(JsonNode document) {
    JsonNode run = document.path("config");
    return new ImageConfig(
        Json.text(run, "User"),
        Json.texts(run, "Env"),
        Json.texts(run, "Entrypoint"),
        Json.texts(run, "Cmd"),
        Json.text(run, "WorkingDir"),
        Json.names(run, "Volumes"),
        Json.text(run, "StopSignal"),
        Json.textMap(run, "Labels"),
        Json.names(run, "ExposedPorts"),
        time(Json.text(document, "created")),
        Json.text(document, "os"),
        Json.text(document, "architecture"),
        Json.text(document, "variant"));
  }

  /** A time that cannot be read is no reason to refuse an image. */
  private static Optional<Instant> time(String text) {
    try {
      return text.isEmpty()
          ? Optional.empty()
          : Optional.of(OffsetDateTime.parse(text).toInstant());
    } catch (DateTimeException unreadable) {
      return Optional.empty();
    }
  }
}
