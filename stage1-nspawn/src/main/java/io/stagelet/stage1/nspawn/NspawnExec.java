package io.stagelet.stage1.nspawn;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.PseudoTerminal;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process that joins a container, in a cgroup of its own below the container's.
 *
 * <pre>
 *   choom     how willingly the kernel ends it for want of memory, as the container
 *   prlimit   the limits of the container's first process
 *   nsenter   the namespaces of that process, its root and working directory
 *   …         the steps of {@link Entry}
 * </pre>
 */
final class NspawnExec implements Stage1.Exec {
  private static final Logger LOG = LoggerFactory.getLogger(NspawnExec.class);
  private static final Duration KILL_PATIENCE = Duration.ofSeconds(5);
  private static final Duration ENTRY_PATIENCE = Duration.ofSeconds(1);
  private static final Duration POLL = Duration.ofMillis(10);
  private static final String MARK = ".exec";

  private final Command command;
  private final Path mark;
  private final Path cgroup;
  private final Optional<Supplier<PseudoTerminal>> terminals;
  private volatile boolean killed;

  private NspawnExec(
      Command command, Path mark, Path cgroup, Optional<Supplier<PseudoTerminal>> terminals) {
    this.command = command;
    this.mark = mark;
    this.cgroup = cgroup;
    this.terminals = terminals;
  }

  /**
   * A process that joins a container.
   *
   * @param state of the container
   * @param cgroup of the container
   * @param number that no other has
   * @throws StageletException {@code FAILED_PRECONDITION} when the container does not run, {@code
   *     INVALID_ARGUMENT} when it has no such program
   */
  static NspawnExec of(
      ContainerPlan container, ExecPlan process, ContainerState state, Path cgroup, long number) {
    if (!(state instanceof ContainerState.Running running) || running.pid() == 0) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no process can join container %s: it does not run".formatted(container.name()));
    }
    ProgramSearch.failure(
            Path.of("/proc", String.valueOf(running.pid()), "root"),
            process.arguments().getFirst(),
            process.workingDirectory(),
            ContainerService.environment(container))
        .ifPresent(reason -> {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "'%s' cannot be run in container %s: %s"
                  .formatted(process.arguments().getFirst(), container.name(), reason));
        });
    return open(container, process, running.pid(), "exec-" + number, cgroup);
  }

  /** Makes its cgroup. */
  private static NspawnExec open(
      ContainerPlan container, ExecPlan process, int pid, String name, Path containerCgroup) {
    Path mark = container.directory().resolve(name + MARK);
    NspawnExec exec =
        new NspawnExec(
            Command.of(line(container, process, pid)),
            mark,
            containerCgroup.resolve(name),
            process.terminal()
                ? Optional.of(() -> terminal(container, process, pid))
                : Optional.empty());
    try {
      Files.write(mark, new byte[0]);
      Files.createDirectory(exec.cgroup);
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

  private static List<String> line(ContainerPlan container, ExecPlan process, int pid) {
    List<String> line =
        new ArrayList<>(
            List.of(
                "/usr/bin/choom",
                "--adjust=" + container.resources().oomScoreAdjust(),
                "--",
                "/usr/bin/prlimit"));
    line.addAll(ProcessLimits.options(pid));
    line.addAll(
        List.of(
            "--",
            "/usr/bin/nsenter",
            "--target=" + pid,
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup"));
    if (container.sandbox().ids().isPresent()) {
      line.add("--user");
    }
    line.addAll(List.of("--wdns=" + process.workingDirectory(), "--"));
    line.addAll(Entry.line(container, process));
    return line;
  }

  /** Kills what an earlier server's execs still run. */
  static void endLost(ContainerPlan container, Path containerCgroup) {
    try (DirectoryStream<Path> marks =
        Files.newDirectoryStream(container.directory(), "exec-*" + MARK)) {
      for (Path mark : marks) {
        String name = mark.getFileName().toString().replace(MARK, "");
        NspawnEvent.EXEC_ENDED
            .on(LOG)
            .log("{} of container {} has lost its client and is killed", name, container.name());
        try (NspawnExec lost =
            new NspawnExec(
                Command.of("true"), mark, containerCgroup.resolve(name), Optional.empty())) {
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

  /** Of the container's own, and the user's: nothing stands between it and the process. */
  private static PseudoTerminal terminal(ContainerPlan container, ExecPlan process, int pid) {
    Path ptmx = Path.of("/proc", String.valueOf(pid), "root/dev/pts/ptmx");
    PseudoTerminal pair = PseudoTerminal.openOf(ptmx);
    Path device = ptmx.resolveSibling(pair.device().getFileName());
    long uid = process.user().uid();
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("close a terminal", () -> Descriptors.close(pair.master()));
      Files.setAttribute(
          device,
          "unix:uid",
          (int) container.sandbox().ids().map(ids -> ids.user(uid)).orElse(uid).longValue());
      undo.keep();
      return new PseudoTerminal(pair.master(), device);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not give the terminal %s to user %d of container %s: %s"
              .formatted(device, uid, container.name(), StageletException.reason(failure)),
          failure);
    }
  }

  @Override
  public Optional<PseudoTerminal> terminal() {
    return terminals.map(Supplier::get);
  }

  @Override
  public Optional<Path> cgroup() {
    return Optional.of(cgroup);
  }

  @Override
  public Optional<String> refusal() {
    return Optional.empty();
  }

  @Override
  public void kill() {
    killed = true;
    killAllButNsenter();
    try {
      Files.writeString(cgroup.resolve("cgroup.kill"), "1");
    } catch (NoSuchFileException gone) {
      LOG.debug("{} is gone with its container", cgroup);
    } catch (IOException failure) {
      if (Files.exists(cgroup)) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not kill the processes in %s: %s"
                .formatted(cgroup, StageletException.reason(failure)),
            failure);
      }
    }
  }

  /**
   * nsenter is the parent of the process that it runs, and must outlive it: a container's first
   * process often reaps nothing, and the process would stay a zombie there.
   */
  private void killAllButNsenter() {
    long deadline = System.nanoTime() + ENTRY_PATIENCE.toNanos();
    try {
      while (System.nanoTime() < deadline) {
        List<ProcessHandle> all =
            Files.readAllLines(cgroup.resolve("cgroup.procs")).stream()
                .map(Long::parseLong)
                .flatMap(process -> ProcessHandle.of(process).stream())
                .toList();
        if (all.isEmpty()) {
          return;
        }
        all.stream()
            .filter(process -> process.parent().filter(ProcessHandle.current()::equals).isEmpty())
            .forEach(ProcessHandle::destroyForcibly);
        Thread.sleep(POLL);
      }
    } catch (IOException gone) {
      LOG.debug("{} is gone", cgroup);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void awaitEnd() {
    Path events = cgroup.resolve("cgroup.events");
    long deadline = System.nanoTime() + KILL_PATIENCE.toNanos();
    try {
      while (System.nanoTime() < deadline && Files.readString(events).contains("populated 1")) {
        Thread.sleep(POLL);
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
    for (Path file : List.of(mark, cgroup)) {
      try {
        Files.deleteIfExists(file);
      } catch (FileSystemException busy) {
        // what the exec left behind is the container's
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
