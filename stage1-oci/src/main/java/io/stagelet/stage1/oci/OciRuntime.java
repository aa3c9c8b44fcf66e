package io.stagelet.stage1.oci;

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
import java.util.Optional;
import java.util.regex.Matcher;
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
 * @param kind whose it is
 * @param features what it says it can do
 * @param arguments what it is always told before the command
 * @param refusal why it cannot be used; absent when it can
 */
record OciRuntime(
    Path binary,
    Path root,
    Kind kind,
    OciFeatures features,
    List<String> arguments,
    Optional<StageletException> refusal) {
  /** Those that are told apart, by the first word of what they say of their version. */
  enum Kind {
    /** crun, which must be told its cgroup driver. */
    CRUN,
    /** runc, which puts the container into its cgroup itself. */
    RUNC,
    /** Any other. */
    OTHER;

    private static Kind of(String version) {
      return version.startsWith("crun") ? CRUN : version.startsWith("runc") ? RUNC : OTHER;
    }
  }

  private static final String NO_CGROUPS = "--cgroup-manager=disabled";
  private static final Pattern ID = Pattern.compile("[0-9a-f]{64}(?![0-9a-f])");
  private static final Duration FORGET_DEADLINE = Duration.ofSeconds(30);

  /** What every container needs of a runtime. */
  private static final List<String> NEEDED = List.of("create", "start", "state", "kill", "delete");

  /** No runtime has it. */
  private static final String NO_COMMAND = "no-such-command";

  /** How long a runtime that hangs may hold the start of the server back. */
  private static final Duration PROBE_DEADLINE = Duration.ofSeconds(10);

  OciRuntime {
    arguments = List.copyOf(arguments);
  }

  /**
   * The runtime at a path, which is asked who it is and what it can do.
   *
   * @param arguments what it is always told before the command
   * @throws StageletException {@code FAILED_PRECONDITION} when it is not there, or is none
   */
  static OciRuntime at(Path binary, Path root, List<String> arguments, ObjectMapper json) {
    return at(binary, root, arguments, json, PROBE_DEADLINE);
  }

  /**
   * The same, with another patience.
   *
   * @param patience how long all its answers together may take
   */
  static OciRuntime at(
      Path binary, Path root, List<String> arguments, ObjectMapper json, Duration patience) {
    if (!Files.isExecutable(binary)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "there is no OCI runtime at %s; install it, or name another as the handler's runtime"
              .formatted(binary));
    }
    Probe probe = new Probe(binary, patience);
    Command.Outcome version = probe.ask("--version");
    if (version.exitCode() != 0) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s does not tell its version, as an OCI runtime does (--version): %s"
              .formatted(binary, version.complaint()));
    }
    List<String> missing = missing(probe);
    if (!missing.isEmpty()) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s is no OCI runtime that Stagelet can use: it lacks the command%s %s; name another as the handler's runtime"
              .formatted(binary, missing.size() == 1 ? "" : "s", String.join(", ", missing)));
    }
    return new OciRuntime(
        binary,
        root,
        Kind.of(version.text()),
        OciFeatures.of(probe, json),
        arguments,
        Optional.empty());
  }

  /** One that cannot be used: for what is still known of its containers. */
  static OciRuntime unusable(Path root, StageletException reason) {
    return new OciRuntime(
        Path.of("/"), root, Kind.CRUN, OciFeatures.UNKNOWN, List.of(), Optional.of(reason));
  }

  /**
   * Of the commands that are needed, those that neither its help names nor it has help for. A
   * program that has help for a command that there is not has it for whatever it is asked
   * (/bin/true has), and that proves nothing.
   */
  private static List<String> missing(Probe probe) {
    String help = probe.ask("--help").text() + probe.ask("help").text();
    List<String> unnamed =
        NEEDED.stream()
            .filter(command -> !Pattern.compile("(?m)^\\W*" + command + "\\b").matcher(help).find())
            .toList();
    if (unnamed.isEmpty() || probe.ask(NO_COMMAND, "--help").exitCode() == 0) {
      return unnamed;
    }
    return unnamed.stream()
        .filter(command -> probe.ask(command, "--help").exitCode() != 0)
        .toList();
  }

  /** Asks a program about itself; all its answers together may take so long. */
  static final class Probe {
    private final Path binary;
    private final Duration patience;
    private final long deadline;

    Probe(Path binary, Duration patience) {
      this.binary = binary;
      this.patience = patience;
      this.deadline = System.nanoTime() + patience.toNanos();
    }

    Path binary() {
      return binary;
    }

    /**
     * What it answers.
     *
     * @throws StageletException {@code FAILED_PRECONDITION} when it does not in time
     */
    Command.Outcome ask(String... question) {
      List<String> command = new ArrayList<>(List.of(binary.toString()));
      command.addAll(List.of(question));
      try {
        return Command.of(command)
            .withDeadline(Duration.ofNanos(Math.max(1_000_000, deadline - System.nanoTime())))
            .run();
      } catch (StageletException failure) {
        if (failure.code() != ErrorCode.DEADLINE_EXCEEDED) {
          throw failure;
        }
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION,
            "%s did not say within %d s what it can (it was asked '%s' last); an OCI runtime answers at once: see what it waits for, or name another as the handler's runtime"
                .formatted(binary, patience.toSeconds(), String.join(" ", question)),
            failure);
      }
    }
  }

  /** Whether it is crun. */
  boolean crun() {
    return kind == Kind.CRUN;
  }

  /**
   * Whether the cgroup of a container has to be empty when it makes the container, so that it must
   * not be in there itself ({@link LaunchGroup}). runc wants it so from 1.2 on, and with a warning
   * before.
   */
  boolean wantsAnEmptyCgroup() {
    return kind == Kind.RUNC;
  }

  /**
   * Checks that it can be used.
   *
   * @throws StageletException why not
   */
  void check() {
    if (refusal.isPresent()) {
      StageletException reason = refusal.get();
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "its OCI runtime cannot be used: " + StageletException.reason(reason),
          reason);
    }
  }

  /** The program and what it is always told. */
  private List<String> program() {
    check();
    List<String> program = new ArrayList<>(List.of(binary.toString(), "--root", root.toString()));
    program.addAll(arguments);
    return program;
  }

  /**
   * Whether it copies the streams of a process that it waits for through pipes of its own, so that
   * it waits for everybody who holds them: a process left behind would hold its end back. crun
   * hands its own streams on.
   */
  boolean copiesStreams() {
    return !crun();
  }

  /** A command of it, which writes its complaints to {@code log}. */
  List<String> command(Path log, String... arguments) {
    List<String> command = program();
    command.addAll(List.of("--log", log.toString(), "--log-format", "json"));
    if (crun()) {
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
    if (!leavesCgroupsAlone()) {
      arguments.addAll(List.of("--cgroup", cgroup.getFileName().toString()));
    }
    arguments.add(container);
    return command(log, arguments.toArray(String[]::new));
  }

  /**
   * Whether a process on a terminal is run with a console socket, and its terminal is the client's.
   * Where crun relays the terminal instead, what a process says last may end up in its log; where
   * runc does, it changes how both terminals end their lines while the process speaks already.
   */
  boolean handsTerminalsOver() {
    return kind != Kind.OTHER;
  }

  /** Whether a process joins the container in the cgroup where the command was started. */
  boolean leavesCgroupsAlone() {
    return crun() || !features.execsIntoCgroups();
  }

  /**
   * Makes it forget a container, if it knows it; what is left of it is killed. One that cannot be
   * used is made to when it can be again: by then nobody knows the container.
   */
  void forget(String container) {
    if (refusal.isEmpty() && knows(container)) {
      List<String> command = program();
      if (crun()) {
        command.add(NO_CGROUPS);
      }
      command.addAll(List.of("delete", "--force", container));
      Command.of(command).withDeadline(FORGET_DEADLINE).runChecked();
    }
  }

  /** crun and runc have a directory for each; others may have files whose names begin so. */
  private boolean knows(String container) {
    return Files.exists(root.resolve(container))
        || (kind == Kind.OTHER && known().contains(container));
  }

  /** The containers that it keeps a state of. */
  List<String> known() {
    if (!Files.isDirectory(root)) {
      return List.of();
    }
    try (Stream<Path> states = Files.list(root)) {
      return states
          .map(state -> ID.matcher(state.getFileName().toString()))
          .filter(Matcher::lookingAt)
          .map(Matcher::group)
          .distinct()
          .toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not list %s: %s".formatted(root, StageletException.reason(failure)),
          failure);
    }
  }
}
