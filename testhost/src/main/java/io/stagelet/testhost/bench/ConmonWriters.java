package io.stagelet.testhost.bench;

import io.stagelet.testhost.Node;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Containers that conmon watches, with crun, and without anything around: what CRI-O and podman do
 * with output. All conmons are in one slice, the containers elsewhere.
 */
final class ConmonWriters implements Writers {
  private static final String SLICE = "bench-conmon.slice";
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private final Node node;
  private final Path directory;
  private final Path conmon;
  private final List<String> started = new ArrayList<>();

  /** Containers whose log files are in the benchmark's folder. */
  ConmonWriters(Node node, Path directory) {
    this.node = node;
    this.directory = directory;
    this.conmon = directory.resolve("conmon");
  }

  @Override
  public Written start(String name, String shell) throws IOException {
    Path bundle = Files.createDirectories(conmon.resolve(name));
    Path programs = Files.createDirectories(bundle.resolve("rootfs/bin"));
    Files.createDirectory(bundle.resolve("rootfs/dev"));
    Files.createLink(programs.resolve("busybox"), busybox());
    for (String program : List.of("sh", "cat", "sleep")) {
      Files.createSymbolicLink(programs.resolve(program), Path.of("busybox"));
    }
    Files.writeString(
        bundle.resolve("config.json"),
        """
        {"ociVersion": "1.0.2",
         "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh", "-c", "%s"], "env": ["PATH=/bin"], "cwd": "/"},
         "root": {"path": "rootfs"},
         "mounts": [
           {"destination": "/proc", "type": "proc", "source": "proc"},
           {"destination": "/bench", "type": "bind", "source": "%s", "options": ["rbind"]}],
         "linux": {"cgroupsPath": "/bench-conmon-payload/%s",
                   "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}]}}
        """
            .formatted(shell, directory, name));
    Path log = bundle.resolve("log");
    Path pid = bundle.resolve("pid");
    node.run(
        List.of(
            // conmon goes to the background with the output that it was given
            "sh",
            "-c",
            "exec \"$@\" > /dev/null",
            "conmon",
            "systemd-run",
            "--quiet",
            "--scope",
            "--slice=" + SLICE,
            "conmon",
            "--cid=" + name,
            "--cuuid=" + name,
            "--name=" + name,
            "--runtime=/usr/bin/crun",
            "--runtime-arg=--root=" + conmon.resolve("crun"),
            "--bundle=" + bundle,
            "--container-pidfile=" + pid,
            "--conmon-pidfile=" + bundle.resolve("conmon-pid"),
            "--log-path=k8s-file:" + log,
            "--exit-dir=" + Files.createDirectories(bundle.resolve("ended")),
            "--persist-dir=" + bundle,
            "--socket-dir-path=" + bundle));
    // conmon has gone to the background, and has the container made there
    for (long begun = System.nanoTime(); !Files.exists(pid); pause()) {
      if (System.nanoTime() - begun > PATIENCE.toNanos()) {
        throw new IllegalStateException("conmon does not start a container from " + bundle);
      }
    }
    crun("start", name);
    started.add(name);
    return new Written(name, log);
  }

  /** One copy, for all of them. */
  private Path busybox() throws IOException {
    Path copy = conmon.resolve("busybox");
    if (!Files.exists(copy)) {
      Files.copy(Path.of("/bin/busybox"), copy);
      node.run(List.of("chmod", "0755", copy.toString()));
    }
    return copy;
  }

  @Override
  public Written startApart(String name, String shell) throws IOException {
    return start(name, shell);
  }

  @Override
  public boolean ended(Written written) {
    return Files.exists(conmon.resolve(written.id()).resolve("ended").resolve(written.id()));
  }

  @Override
  public String unit() {
    return SLICE;
  }

  private void crun(String... arguments) {
    List<String> command = new ArrayList<>(List.of("crun", "--root=" + conmon.resolve("crun")));
    command.addAll(List.of(arguments));
    node.run(command);
  }

  private static void pause() {
    try {
      Thread.sleep(5);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while conmon starts", interrupted);
    }
  }

  @Override
  public void close() throws IOException {
    for (String name : started) {
      crun("delete", "--force", name);
      // its conmon writes this last
      while (!ended(new Written(name, conmon))) {
        pause();
      }
    }
  }
}
