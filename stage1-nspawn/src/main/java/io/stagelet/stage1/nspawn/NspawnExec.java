package io.stagelet.stage1.nspawn;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
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
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process that joins a container, in a cgroup of its own below the container's.
 *
 * <pre>
 *   nsenter   the namespaces of the container's first process, its root and working directory
 *   setpriv   user, groups, capabilities                      (these two run in the container,
 *   env       the environment, and nothing else                from the directory of the tools)
 *   the program
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
  private volatile boolean killed;

  private NspawnExec(Command command, Path mark, Path cgroup) {
    this.command = command;
    this.mark = mark;
    this.cgroup = cgroup;
  }

  /** Makes its cgroup. */
  static NspawnExec open(
      ContainerPlan container, ExecPlan process, int pid, String name, Path containerCgroup) {
    Path mark = container.directory().resolve(name + MARK);
    NspawnExec exec =
        new NspawnExec(
            Command.of(line(container, process, pid)), mark, containerCgroup.resolve(name));
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
    ContainerPlan.Security security = container.security();
    List<String> line =
        new ArrayList<>(
            List.of(
                "/usr/bin/nsenter",
                "--target=" + pid,
                "--mount",
                "--pid",
                "--net",
                "--ipc",
                "--uts",
                "--cgroup",
                "--wdns=" + process.workingDirectory(),
                "--"));
    List<String> privileges = new ArrayList<>();
    privileges.add("--reuid=" + process.user().uid());
    privileges.add("--regid=" + process.user().gid());
    privileges.add(
        process.user().additionalGroups().isEmpty()
            ? "--clear-groups"
            : "--groups="
                + process.user().additionalGroups().stream()
                    .map(String::valueOf)
                    .collect(Collectors.joining(",")));
    privileges.add("--bounding-set=" + CapabilitySet.words(security.capabilities()));
    String ambient = CapabilitySet.words(security.ambientCapabilities());
    privileges.add("--inh-caps=" + ambient);
    privileges.add("--ambient-caps=" + ambient);
    if (process.noNewPrivileges()) {
      privileges.add("--no-new-privs");
    }
    privileges.add("--");
    List<String> environment = new ArrayList<>(List.of("--ignore-environment"));
    ContainerService.environment(container)
        .forEach((variable, value) -> environment.add(variable + "=" + value));
    environment.addAll(process.arguments());
    privileges.addAll(EntryTools.command("env", environment));
    line.addAll(EntryTools.command("setpriv", privileges));
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
            new NspawnExec(Command.of("true"), mark, containerCgroup.resolve(name))) {
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
