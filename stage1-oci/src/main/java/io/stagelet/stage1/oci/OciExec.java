package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ChildProcess;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process that joins a container, in a cgroup of its own below the container's: so that it has
 * all the container's limits, and can be killed with everything it started.
 *
 * <p>Where the runtime would stand between the process and its streams (runc does: it does not end
 * before everybody who holds them has), it is told to leave the process behind, with the streams as
 * they are. The process then is a child of this one, which asks the kernel how it ended. That the
 * command has ended with 0 says that there is one; it stays there, as a zombie at the least, until
 * it is asked for.
 */
final class OciExec implements Stage1.Exec {
  private static final Logger LOG = LoggerFactory.getLogger(OciExec.class);
  private static final Duration KILL_PATIENCE = Duration.ofSeconds(5);

  /** How long the runtime may take to end after the process that it ran was killed. */
  private static final Duration RUNTIME_PATIENCE = Duration.ofSeconds(1);

  private static final Duration KILL_POLL = Duration.ofMillis(10);
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");

  private final Command command;
  private final Path process;
  private final Path log;
  private final Path pid;
  private final Path cgroup;
  private final Optional<Path> consoleSocket;
  private final boolean startsInCgroup;
  private final boolean leavesProcess;
  private final ObjectMapper json;
  private volatile boolean killed;

  private OciExec(
      Command command,
      Path directory,
      String name,
      Path cgroup,
      Optional<Path> consoleSocket,
      boolean startsInCgroup,
      boolean leavesProcess,
      ObjectMapper json) {
    this.command = command;
    this.process = directory.resolve(name + ".json");
    this.log = directory.resolve(name + ".log");
    this.pid = directory.resolve(name + ".pid");
    this.cgroup = cgroup;
    this.consoleSocket = consoleSocket;
    this.startsInCgroup = startsInCgroup;
    this.leavesProcess = leavesProcess;
    this.json = json;
  }

  /**
   * Writes the process and makes its cgroup.
   *
   * @param terminal whether the process gets one
   * @param unitCgroup the cgroup of the container's unit
   */
  static OciExec open(
      OciRuntime runtime,
      ContainerPlan container,
      String name,
      byte[] processJson,
      boolean terminal,
      String unitCgroup,
      ObjectMapper json) {
    Path process = container.directory().resolve(name + ".json");
    Path log = container.directory().resolve(name + ".log");
    Path pid = container.directory().resolve(name + ".pid");
    Path cgroup = CGROUPS.resolve(unitCgroup.substring(1)).resolve(name);
    OciStage1.write(process, processJson);
    boolean leavesProcess = runtime.copiesStreams() && (!terminal || runtime.handsTerminalsOver());
    List<String> options = new ArrayList<>(List.of("--process", process.toString()));
    if (leavesProcess) {
      options.addAll(List.of("--detach", "--pid-file", pid.toString()));
    }
    Optional<Path> consoleSocket =
        terminal && runtime.handsTerminalsOver()
            ? Optional.of(consoleSocket(runtime, name))
            : Optional.empty();
    consoleSocket.ifPresent(
        socket -> options.addAll(List.of("--console-socket", socket.toString())));
    OciExec exec =
        new OciExec(
            Command.of(
                runtime.exec(log, cgroup, container.id().value(), options.toArray(String[]::new))),
            container.directory(),
            name,
            cgroup,
            consoleSocket,
            runtime.leavesCgroupsAlone(),
            leavesProcess,
            json);
    try {
      Files.createDirectory(cgroup);
    } catch (IOException failure) {
      exec.close();
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no process can join container %s: its cgroup is gone (%s)"
              .formatted(container.name(), StageletException.reason(failure)),
          failure);
    }
    return exec;
  }

  /** Short, as a socket's path must be. */
  private static Path consoleSocket(OciRuntime runtime, String name) {
    return runtime.root().resolve("tty-" + name);
  }

  /**
   * Kills what an earlier server's execs still run. What such an exec left behind on purpose, when
   * it had ended by itself, has no file any more and goes on.
   */
  static void endLost(OciRuntime runtime, ContainerPlan container, String unitCgroup) {
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(container.directory(), "exec-*.json")) {
      for (Path file : files) {
        String name = file.getFileName().toString().replace(".json", "");
        Path cgroup = CGROUPS.resolve(unitCgroup.substring(1)).resolve(name);
        OciEvent.EXEC_ENDED
            .on(LOG)
            .log("{} of container {} has lost its client and is killed", name, container.name());
        try (OciExec lost =
            new OciExec(
                Command.of("true"),
                container.directory(),
                name,
                cgroup,
                Optional.of(consoleSocket(runtime, name)),
                false,
                false,
                new ObjectMapper())) {
          lost.kill();
        }
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not look for lost execs in %s: %s"
              .formatted(container.directory(), StageletException.reason(failure)),
          failure);
    }
  }

  @Override
  public Command command() {
    return command;
  }

  @Override
  public Optional<Path> cgroup() {
    return startsInCgroup ? Optional.of(cgroup) : Optional.empty();
  }

  @Override
  public Optional<Path> consoleSocket() {
    return consoleSocket;
  }

  @Override
  public boolean leavesProcess() {
    return leavesProcess;
  }

  @Override
  public ChildProcess process() {
    try {
      return ChildProcess.adopted(Integer.parseInt(Files.readString(pid).strip()));
    } catch (IOException | NumberFormatException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "the OCI runtime did not say in %s which process it has started: %s"
              .formatted(pid, StageletException.reason(failure)),
          failure);
    }
  }

  @Override
  public Optional<String> refusal() {
    return Optional.of(RuntimeLog.errors(log, json)).filter(words -> !words.isEmpty());
  }

  @Override
  public void kill() {
    killed = true;
    if (!leavesProcess) {
      killAllButTheRuntime();
    }
    try {
      Files.writeString(cgroup.resolve("cgroup.kill"), "1");
    } catch (NoSuchFileException gone) {
      LOG.debug("{} is gone with its container", cgroup);
    } catch (IOException failure) {
      if (!Files.exists(cgroup)) {
        LOG.debug("{} has gone meanwhile", cgroup);
        return;
      }
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not kill the processes in %s: %s"
              .formatted(cgroup, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * The runtime is the parent of the process that it runs, and must outlive it: nobody else would
   * reap it, as a container's first process often reaps nothing, and it would stay a zombie there.
   */
  private void killAllButTheRuntime() {
    long deadline = System.nanoTime() + RUNTIME_PATIENCE.toNanos();
    try {
      while (System.nanoTime() < deadline) {
        List<ProcessHandle> all = processes();
        if (all.isEmpty()) {
          return;
        }
        all.stream().filter(process -> !isOurs(process)).forEach(ProcessHandle::destroyForcibly);
        Thread.sleep(KILL_POLL);
      }
    } catch (IOException gone) {
      LOG.debug("{} is gone", cgroup);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private List<ProcessHandle> processes() throws IOException {
    return Files.readAllLines(cgroup.resolve("cgroup.procs")).stream()
        .map(Long::parseLong)
        .flatMap(process -> ProcessHandle.of(process).stream())
        .toList();
  }

  private static boolean isOurs(ProcessHandle process) {
    return process.parent().filter(ProcessHandle.current()::equals).isPresent();
  }

  /** SIGKILL takes its time; a cgroup cannot be removed before its last process has ended. */
  private void awaitEnd() {
    Path events = cgroup.resolve("cgroup.events");
    long deadline = System.nanoTime() + KILL_PATIENCE.toNanos();
    try {
      while (System.nanoTime() < deadline && Files.readString(events).contains("populated 1")) {
        Thread.sleep(KILL_POLL);
      }
    } catch (IOException gone) {
      LOG.debug("{} is gone", cgroup);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    if (killed) {
      awaitEnd();
    }
    List<Path> files = new ArrayList<>(List.of(process, log, pid, cgroup));
    consoleSocket.ifPresent(files::add);
    for (Path file : files) {
      try {
        Files.deleteIfExists(file);
      } catch (DirectoryNotEmptyException left) {
        LOG.debug("what was left running in {} goes on in its container", file);
      } catch (FileSystemException busy) {
        // a process that the exec left behind is the container's; its cgroup goes with the
        // container's
        LOG.debug("{} stays: {}", file, StageletException.reason(busy));
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not remove %s: %s".formatted(file, StageletException.reason(failure)),
            failure);
      }
    }
  }
}
