package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The command line of an OCI runtime.
 *
 * <p>crun leaves control groups alone ({@code --cgroup-manager=disabled}): a container is where its
 * unit's {@code ExecStart} is, and a process that joins is started there. With a manager of its own
 * crun would kill whatever is in the container's cgroup when a creation fails and when it deletes,
 * and that is where it runs itself.
 *
 * @param binary the program
 * @param root where it keeps its own state, on a tmpfs
 * @param crun whether it is crun, which must be told its cgroup driver
 * @param mapsIds whether it can mount with the ids of a user namespace
 */
record OciRuntime(Path binary, Path root, boolean crun, boolean mapsIds) {
  private static final String NO_CGROUPS = "--cgroup-manager=disabled";
  private static final Pattern ID = Pattern.compile("[0-9a-f]{64}");
  private static final Duration FORGET_DEADLINE = Duration.ofSeconds(30);

  /**
   * The runtime at a path.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} when it is not there, or is none
   */
  static OciRuntime at(Path binary, Path root, ObjectMapper json) {
    if (!Files.isExecutable(binary)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "there is no OCI runtime at %s; install it, or name another as the handler's runtime"
              .formatted(binary));
    }
    String version = Command.of(binary.toString(), "--version").runChecked().text();
    return new OciRuntime(binary, root, version.startsWith("crun"), mapsIds(binary, json));
  }

  /**
   * What it says of itself ({@code features}, OCI Runtime Specification 1.1); older ones cannot.
   */
  private static boolean mapsIds(Path binary, ObjectMapper json) {
    Command.Outcome features = Command.of(binary.toString(), "features").run();
    if (features.exitCode() != 0) {
      return false;
    }
    try {
      return json.readTree(features.output())
          .at("/linux/mountExtensions/idmap/enabled")
          .asBoolean();
    } catch (IOException notJson) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s features does not answer in JSON: %s"
              .formatted(binary, StageletException.reason(notJson)),
          notJson);
    }
  }

  /**
   * Whether it copies the streams of a process that it waits for through pipes of its own, so that
   * it waits for everybody who holds them: a process left behind would hold its end back. crun
   * hands its own streams on.
   */
  boolean copiesStreams() {
    return !crun;
  }

  /** A command of it, which writes its complaints to {@code log}. */
  List<String> command(Path log, String... arguments) {
    List<String> command = new ArrayList<>(List.of(binary.toString(), "--root", root.toString()));
    command.addAll(List.of("--log", log.toString(), "--log-format", "json"));
    if (crun) {
      command.add(NO_CGROUPS);
    }
    command.addAll(List.of(arguments));
    return command;
  }

  /**
   * A command of it that runs a process in a container.
   *
   * @param cgroup where the process is to be: a directory below the container's own
   * @param container the container's id
   */
  List<String> exec(Path log, Path cgroup, String container, String... options) {
    List<String> arguments = new ArrayList<>(List.of("exec"));
    arguments.addAll(List.of(options));
    if (!crun) {
      arguments.addAll(List.of("--cgroup", cgroup.getFileName().toString()));
    }
    arguments.add(container);
    return command(log, arguments.toArray(String[]::new));
  }

  /**
   * Whether a process on a terminal is run with a console socket. crun can; where it relays the
   * terminal instead, what a process says last may end up in its log. runc would have to leave the
   * process behind.
   */
  boolean handsTerminalsOver() {
    return crun;
  }

  /** Whether a process joins the container in the cgroup where the command was started. */
  boolean leavesCgroupsAlone() {
    return crun;
  }

  /** Makes it forget a container, if it knows it; what is left of it is killed. */
  void forget(String container) {
    if (Files.exists(root.resolve(container))) {
      List<String> command = new ArrayList<>(List.of(binary.toString(), "--root", root.toString()));
      if (crun) {
        command.add(NO_CGROUPS);
      }
      command.addAll(List.of("delete", "--force", container));
      Command.of(command).withDeadline(FORGET_DEADLINE).runChecked();
    }
  }

  /** The containers that it keeps a state of. */
  List<String> known() {
    if (!Files.isDirectory(root)) {
      return List.of();
    }
    try (Stream<Path> states = Files.list(root)) {
      return states
          .map(state -> state.getFileName().toString())
          .filter(name -> ID.matcher(name).matches())
          .toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not list %s: %s".formatted(root, StageletException.reason(failure)),
          failure);
    }
  }

  /** What it complained of in a log: the messages of its errors; empty when it had none. */
  static String complaints(Path log, ObjectMapper json) {
    List<String> messages = new ArrayList<>();
    try {
      if (!Files.exists(log)) {
        return "";
      }
      for (String line : Files.readAllLines(log)) {
        JsonNode entry = json.readTree(line);
        if (List.of("error", "fatal").contains(entry.path("level").asText())) {
          messages.add(entry.path("msg").asText());
        }
      }
    } catch (IOException failure) {
      messages.add(
          "(its log %s cannot be read: %s)".formatted(log, StageletException.reason(failure)));
    }
    return String.join("; ", messages);
  }
}
