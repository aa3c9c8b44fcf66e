package io.stagelet.stage1.contract;

import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.Fifo;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * A sandbox and its containers as the server would plan them: their folders, and root filesystems
 * with busybox and nothing else. The server's part in their life is played here, too.
 */
final class PlannedPod implements AutoCloseable {
  private static final Path BUSYBOX = Path.of("/usr/bin/busybox");
  private static final List<String> TOOLS =
      List.of("sh", "cat", "sleep", "id", "env", "ls", "touch", "pwd", "mkdir", "true", "hostname");
  private static final List<String> CAPABILITIES =
      List.of("CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE");
  private static final ExecPlan.User ROOT = new ExecPlan.User(0, 0, List.of());

  private final Path folder;
  private final SandboxPlan sandbox;
  private final List<Output> outputs = new ArrayList<>();

  PlannedPod(Path parent, UnaryOperator<SandboxPlan> change) {
    SandboxId id = new SandboxId(id());
    this.folder = parent.resolve(id.shortened());
    this.sandbox =
        change.apply(
            new SandboxPlan(
                id,
                "contract",
                "pod",
                SandboxPlan.ownSlice(id),
                directory(folder.resolve("sandbox")),
                Optional.of("contract-pod"),
                Optional.of(directory(folder.resolve("network")).resolve("ns")),
                false,
                false,
                Map.of(),
                64 << 20,
                Optional.empty(),
                Optional.empty()));
  }

  SandboxPlan sandbox() {
    return sandbox;
  }

  /** A shell script as a container, as root, with few capabilities. */
  ContainerPlan container(String script) {
    return container(
        new ExecPlan(
            List.of("/bin/sh", "-c", script),
            List.of("PATH=/bin", "GREETING=hello world"),
            "/",
            ROOT,
            false,
            false));
  }

  ContainerPlan container(ExecPlan process) {
    ContainerId id = new ContainerId(id());
    Path directory = directory(folder.resolve(id.shortened()));
    ContainerPlan container =
        new ContainerPlan(
            id,
            "main",
            sandbox,
            directory,
            rootfs(directory.resolve("rootfs")),
            process,
            List.of(),
            List.of(),
            new ContainerPlan.Security(
                false,
                false,
                CAPABILITIES,
                List.of(),
                List.of("/proc/kcore"),
                List.of("/proc/sys"),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty()),
            ContainerPlan.Resources.NONE,
            directory.resolve("stdout"),
            directory.resolve("stderr"),
            Optional.empty(),
            15,
            Duration.ofSeconds(2),
            new ContainerPlan.Pids(ContainerPlan.Pids.Sharing.OWN, Optional.empty()),
            List.of());
    for (Path fifo : List.of(container.stdout(), container.stderr())) {
      Fifo.make(fifo, 0666, 0, 0);
      outputs.add(new Output(fifo));
    }
    return container;
  }

  /** The same container with other mounts, security and process. */
  static ContainerPlan with(
      ContainerPlan container, List<ContainerPlan.Mount> mounts, ContainerPlan.Security security) {
    return new ContainerPlan(
        container.id(),
        container.name(),
        container.sandbox(),
        container.directory(),
        container.rootfs(),
        container.process(),
        mounts,
        container.devices(),
        security,
        container.resources(),
        container.stdout(),
        container.stderr(),
        container.stdin(),
        container.stopSignal(),
        container.grace(),
        container.pids(),
        container.hooks());
  }

  /** What has come out of a container's standard output until now. */
  String output(ContainerPlan container) {
    return outputs.stream()
        .filter(output -> output.fifo().equals(container.stdout()))
        .findFirst()
        .orElseThrow()
        .soFar();
  }

  private static String id() {
    return (UUID.randomUUID().toString() + UUID.randomUUID()).replace("-", "");
  }

  private static Path rootfs(Path root) {
    try {
      for (String folder : List.of("bin", "proc", "sys", "dev", "etc", "tmp", "run")) {
        Files.createDirectories(root.resolve(folder));
      }
      Files.copy(BUSYBOX, root.resolve("bin/busybox"));
      for (String tool : TOOLS) {
        Files.createSymbolicLink(root.resolve("bin").resolve(tool), Path.of("busybox"));
      }
      return root;
    } catch (IOException failure) {
      throw new IllegalStateException("a root filesystem could not be made", failure);
    }
  }

  static Path directory(Path path) {
    try {
      return Files.createDirectories(path);
    } catch (IOException failure) {
      throw new IllegalStateException("could not make " + path, failure);
    }
  }

  /** To be called when nothing of it runs any more. */
  @Override
  public void close() {
    outputs.forEach(Output::close);
    try {
      DurableFiles.deleteTree(folder);
    } catch (StageletException failure) {
      throw new IllegalStateException("something is left of a pod in " + folder, failure);
    }
  }
}
