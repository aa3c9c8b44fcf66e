package io.stagelet.cri.conformance;

import static org.awaitility.Awaitility.await;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * {@code stagelet serve} of this build, run by systemd as a transient service with folders of its
 * own, until it is closed.
 */
final class StageletRuntime implements RuntimeUnderTest {
  private static final String UNIT =
      "stagelet-conformance-" + ProcessHandle.current().pid() + ".service";

  private static final List<Handler> HANDLERS = List.of(new Handler("crun"), new Handler("runc"));

  /** What makes a start quick: most of a test that kills the server is its next start. */
  private static final List<String> QUICK_START =
      List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:cds=off,aot=off");

  /** The archive of the server's classes. */
  private static final String CLASSES = "classes.jsa";

  /** The file that says where the server is to die. */
  private static final String FAULT = "fault";

  /** A CNI plugin that does as {@code bridge} does, and hangs where {@link #hangs} says so. */
  static final String HANGING_PLUGIN = "hanging";

  private static final String HANGING_RUNTIME = "hanging-runtime";

  /** A handler whose runtime is not installed: {@code /nonexistent/runtime}. */
  static final Handler WITHOUT_RUNTIME = new Handler("without-runtime");

  /** A handler whose runtime is crun, and hangs where {@link #hangs} says so. */
  static final Handler HANGING = new Handler("hanging");

  /** A handler whose containers rather lose output than wait. */
  static final Handler DROPPING = new Handler("dropping");

  /** The label of pods that is a field of their output. */
  static final String FIELD_LABEL = "app.kubernetes.io/name";

  private static final String BLOCK_IO = "blockio.yaml";

  /** The class {@code slow} writes 1 MiB a second to the disk of a machine of kind uml. */
  private static final String BLOCK_IO_CLASSES =
      """
      Classes:
        slow:
        - Weight: 50
        - Devices: [/dev/ubda]
          ThrottleWriteBps: 1Mi
        fast:
        - Weight: 500
      """;

  private final CleanupStack cleanup;
  private final Path state;
  private final Path run;

  private StageletRuntime(CleanupStack cleanup, Path state, Path run) {
    this.cleanup = cleanup;
    this.state = state;
    this.run = run;
  }

  /** Starts it, and returns when it has said that it is ready. */
  static StageletRuntime start() {
    CleanupStack cleanup = new CleanupStack();
    try {
      Path state = folder(cleanup, Path.of("/var/lib"));
      Path run = folder(cleanup, Path.of("/run"));
      Path networks = Files.createDirectory(state.resolve("net.d"));
      Files.createDirectory(state.resolve("plugins"));
      Files.writeString(state.resolve(BLOCK_IO), BLOCK_IO_CLASSES);
      script(state.resolve(HANGING_RUNTIME), hangingScript(state, "for word; do", program("crun")));
      script(
          state.resolve("plugins").resolve(HANGING_PLUGIN),
          hangingScript(
              state, "for word in $CNI_COMMAND; do", TestNetwork.PLUGINS.resolve("bridge")));
      TestNetwork.writeTo(networks);
      Path config = Files.writeString(state.resolve("stagelet.toml"), config(state, run, networks));
      cleanup.push(
          "forget a failed service", () -> Command.of("systemctl", "reset-failed", UNIT).run());
      cleanup.push("stop the service", () -> Command.of("systemctl", "stop", UNIT).run());
      // the first time it only writes the archive of its classes, as it ends
      serve(config, run.resolve(FAULT));
      Command.of("systemctl", "stop", UNIT).runChecked();
      Command.of("systemctl", "reset-failed", UNIT).run(); // it may have ended by its SIGTERM
      serve(config, run.resolve(FAULT));
      return new StageletRuntime(cleanup, state, run);
    } catch (IOException failure) {
      cleanup.close();
      throw new UncheckedIOException("could not prepare the folders of stagelet serve", failure);
    } catch (RuntimeException failure) {
      cleanup.close();
      throw failure;
    }
  }

  /** Where the server keeps what a container is made from. */
  Path directoryOf(String container) {
    return run.resolve("containers").resolve(container);
  }

  private static Path folder(CleanupStack cleanup, Path parent) throws IOException {
    Path folder = Files.createTempDirectory(parent, "stagelet-conformance-");
    // as the packages make it: a runtime that has joined a pod's user namespace goes through
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx--x--x"));
    cleanup.push(
        "remove " + folder,
        () -> Command.of("rm", "-rf", "--one-file-system", folder.toString()).runChecked());
    return folder;
  }

  private static String config(Path state, Path run, Path networks) {
    StringBuilder text =
        new StringBuilder(
            """
            socket = "%s"
            root = "%s/root"
            run = "%s"
            default-handler = "%s"

            [cni]
            conf-dir = "%s"
            bin-dirs = ["%s", "%s"]

            [resources]
            blockio-config = "%s"

            [output]
            labels = ["%s"]

            [handlers.%s]
            stage1 = "oci"
            runtime = "/nonexistent/runtime"

            [handlers.%s]
            stage1 = "oci"
            runtime = "%s"

            [handlers.%s]
            stage1 = "oci"
            runtime = "%s"
            output = "drop"

            [handlers.%s]
            stage1 = "nspawn"
            annotation = true

            [handlers.%s]
            stage1 = "nspawn"
            boot = "image"
            annotation = true

            [handlers.%s]
            stage1 = "nspawn"
            bus = true
            annotation = true
            """
                .formatted(
                    run.resolve("stagelet.sock"),
                    state,
                    run,
                    HANDLERS.getFirst().name(),
                    networks,
                    TestNetwork.PLUGINS,
                    state.resolve("plugins"),
                    state.resolve(BLOCK_IO),
                    FIELD_LABEL,
                    WITHOUT_RUNTIME.name(),
                    HANGING.name(),
                    state.resolve(HANGING_RUNTIME),
                    DROPPING.name(),
                    program(HANDLERS.getFirst().name()),
                    Handler.NSPAWN.name(),
                    Handler.BOOTING.name(),
                    Handler.WITH_BUS.name()));
    for (Handler handler : HANDLERS) {
      text.append(
          """

          [handlers.%1$s]
          stage1 = "oci"
          runtime = "%2$s"
          """
              .formatted(handler.name(), program(handler.name())));
    }
    return text.toString();
  }

  /** Debian has crun in one folder and runc in the other. */
  private static Path program(String name) {
    return Stream.of("/usr/bin", "/usr/sbin")
        .map(folder -> Path.of(folder, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(() -> new IllegalStateException(name + " is not installed"));
  }

  private static void serve(Path config, Path fault) {
    Command.Outcome started =
        Command.of(
                Stream.concat(
                        Stream.of(
                            "systemd-run",
                            "--unit=" + UNIT,
                            "--description=Stagelet under its conformance suite",
                            "-p",
                            "Type=notify",
                            "-p",
                            "NotifyAccess=main",
                            "-p",
                            "TimeoutStartSec=60s",
                            "-p",
                            "StartLimitIntervalSec=0",
                            "-p",
                            "FileDescriptorStoreMax=4096",
                            // a test kills the server and starts it again as it likes: in between,
                            // its unit has failed
                            "-p",
                            "FileDescriptorStorePreserve=yes",
                            "--setenv=%s=%s".formatted(Faults.VARIABLE, fault),
                            "-p",
                            "LogRateLimitIntervalSec=1s",
                            "-p",
                            "LogRateLimitBurst=100000000"),
                        commandLine(
                            withArchive(config.resolveSibling(CLASSES)),
                            "serve",
                            "--config",
                            config.toString())
                            .stream())
                    .toList())
            .withDeadline(Duration.ofSeconds(90))
            .run();
    if (started.exitCode() != 0) {
      throw new IllegalStateException(
          "stagelet serve did not start: %s%n%s"
              .formatted(
                  started.complaint(),
                  Command.of("journalctl", "-u", UNIT, "-o", "cat", "-n", "100").run().text()));
    }
  }

  /** The command that serves with a configuration. */
  static List<String> commandLine(Path config) {
    return commandLine(List.of(), "serve", "--config", config.toString());
  }

  /** A server that is stopped writes its classes into the archive, if there is none yet. */
  private static List<String> withArchive(Path archive) {
    return Stream.concat(
            QUICK_START.stream(),
            Stream.of("-XX:+AutoCreateSharedArchive", "-XX:SharedArchiveFile=" + archive))
        .toList();
  }

  private static List<String> commandLine(List<String> options, String... arguments) {
    return Stream.of(
            Stream.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()),
            options.stream(),
            Stream.of("--enable-native-access=ALL-UNNAMED", "-cp", jars(), "io.stagelet.cri.Main"),
            Stream.of(arguments))
        .flatMap(words -> words)
        .toList();
  }

  /**
   * All that this suite runs with but its own classes: an archive of classes has no folders. Where
   * the server's own classes are in one, {@code cri.server.jar} says where they are in a jar.
   */
  private static String jars() {
    String own = System.getProperty("cri.server.jar", "");
    String all = own + File.pathSeparator + System.getProperty("java.class.path");
    return Stream.of(all.split(File.pathSeparator, -1))
        .filter(entry -> entry.endsWith(".jar"))
        .collect(Collectors.joining(File.pathSeparator));
  }

  /** What {@code stagelet check} says, as JSON. */
  Command.Outcome check(String... options) {
    return Command.of(
            commandLine(
                Stream.concat(
                        QUICK_START.stream(),
                        Stream.of("-XX:SharedArchiveFile=" + state.resolve(CLASSES)))
                    .toList(),
                Stream.concat(
                        Stream.of("check", "--json", "--config", configuration().toString()),
                        Stream.of(options))
                    .toArray(String[]::new)))
        .withDeadline(Duration.ofSeconds(90))
        .run();
  }

  /** Kills the server with SIGKILL, and returns when it is gone. It is not started again. */
  void kill() {
    Command.of("systemctl", "kill", "--signal=SIGKILL", UNIT).runChecked();
    awaitDeath();
  }

  /** Lets the server die by SIGKILL when it comes to a point, once. */
  void dieAt(FaultPoint point) {
    try {
      Path aside = Files.writeString(run.resolve(FAULT + ".new"), point.label());
      Files.move(aside, run.resolve(FAULT), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException failure) {
      throw new UncheckedIOException("could not arm the fault " + point.label(), failure);
    }
  }

  /** Whether {@link #dieAt} still waits for its point; it does no more after this. */
  boolean disarm() {
    try {
      return Files.deleteIfExists(run.resolve(FAULT));
    } catch (IOException failure) {
      throw new UncheckedIOException("could not disarm the fault", failure);
    }
  }

  /** Returns when the server, which is dying, is gone. */
  void awaitDeath() {
    await("the end of " + UNIT)
        .atMost(Duration.ofSeconds(30))
        .pollInterval(Duration.ofMillis(20))
        .until(() -> Command.of("systemctl", "is-failed", "--quiet", UNIT).run().exitCode() == 0);
  }

  /** Starts the server after {@link #kill}, and returns when it has said that it is ready. */
  void startAgain() {
    Command.Outcome started =
        Command.of("systemctl", "start", UNIT).withDeadline(Duration.ofSeconds(90)).run();
    if (started.exitCode() != 0) {
      throw new IllegalStateException(
          "stagelet serve did not start again: %s%n%s"
              .formatted(
                  started.complaint(),
                  Command.of("journalctl", "-u", UNIT, "-o", "cat", "-n", "100").run().text()));
    }
  }

  /** The server's process. */
  long pid() {
    return Long.parseLong(
        Command.of("systemctl", "show", "--value", "--property=MainPID", UNIT)
            .runChecked()
            .text()
            .strip());
  }

  /** Starts it again unless it runs: for what comes after a test that failed half way. */
  void ensureItRuns() {
    if (Command.of("systemctl", "is-active", "--quiet", UNIT).run().exitCode() != 0) {
      startAgain();
    }
  }

  /** Asks the server to read its configuration again; it does so a moment later. */
  void reload() {
    Command.of("systemctl", "kill", "--kill-whom=main", "--signal=HUP", UNIT).runChecked();
  }

  /** The file that it is configured by when it starts. */
  Path configuration() {
    return state.resolve("stagelet.toml");
  }

  /** Where its CNI configuration is. */
  Path networks() {
    return state.resolve("net.d");
  }

  /** Where it keeps its records of {@code sandboxes} or {@code containers}. */
  Path records(String of) {
    return state.resolve("root").resolve(of);
  }

  /**
   * Lets {@link #HANGING} and the CNI plugin {@link #HANGING_PLUGIN} hang from now on in calls of
   * this verb, until the gate is opened.
   */
  Gate hangs(String verb) {
    try {
      Path gate = Files.createFile(state.resolve("hang-" + verb));
      Path waiting = state.resolve("hung-" + verb);
      Files.deleteIfExists(waiting);
      return new Gate(gate, waiting);
    } catch (IOException failure) {
      throw new UncheckedIOException("could not let " + verb + " hang", failure);
    }
  }

  /**
   * Before what hangs.
   *
   * @param closed the file that keeps it closed
   * @param reached the file that is there when something hangs before it
   */
  record Gate(Path closed, Path reached) implements AutoCloseable {
    /** Returns when something hangs before it. */
    void awaitArrival() {
      await("something that hangs before " + closed)
          .atMost(Duration.ofSeconds(60))
          .until(() -> Files.exists(reached));
    }

    /** Opens it. */
    @Override
    public void close() {
      try {
        Files.deleteIfExists(closed);
      } catch (IOException failure) {
        throw new UncheckedIOException("could not open the gate " + closed, failure);
      }
    }
  }

  /** Waits as long as there is a file for one of its words, and goes on as another program. */
  private static String hangingScript(Path state, String loop, Path program) {
    return """
    #!/bin/sh
    %1$s
      while [ -e "%2$s/hang-$word" ]; do : > "%2$s/hung-$word"; sleep 0.05; done
    done 2> /dev/null
    exec %3$s "$@"
    """
        .formatted(loop, state, program);
  }

  private static void script(Path file, String text) throws IOException {
    Files.writeString(file, text);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /** A folder of CNI plugins, beside Debian's. */
  Path plugins() {
    return state.resolve("plugins");
  }

  /** Where it keeps what outlives a reboot. */
  Path root() {
    return state.resolve("root");
  }

  /** Where it keeps what does not. */
  Path runFolder() {
    return run;
  }

  @Override
  public Path socket() {
    return run.resolve("stagelet.sock");
  }

  @Override
  public List<Handler> handlers() {
    return HANDLERS;
  }

  @Override
  public Leftovers leftovers() {
    return Leftovers.onTheNode(List.of(state, run));
  }

  @Override
  public void close() {
    cleanup.close();
  }
}
