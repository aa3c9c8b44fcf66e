package io.stagelet.testhost.bench;

import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxPodSandboxConfig;
import io.stagelet.cri.v1.LinuxSandboxSecurityContext;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Measures how fast the output of containers is carried, and what is lost on the way: several
 * containers write numbered lines as fast as they can, all at once. One runtime after the other in
 * the same machine. Of Stagelet, also how long a line takes to whoever follows the journal.
 *
 * <p>Usage: {@code LogsBenchmark INSIDE LINES CONTAINERS RUNTIME…}; the script {@code
 * testhost/bench} calls it. A line has 100 bytes.
 */
public final class LogsBenchmark {
  private static final String IMAGE_NAME = "e2e-test-images/busybox";
  private static final String IMAGE = "127.0.0.1:5000/" + IMAGE_NAME + ":latest";
  private static final Pattern RECEIVED =
      Pattern.compile("\"__REALTIME_TIMESTAMP\"\\s*:\\s*\"([0-9]+)\"");
  private static final int LINE_BYTES = 100;
  private static final int LATENCY_SAMPLES = 50;
  private static final Duration LONGEST_RUN = Duration.ofMinutes(10);
  private static final Duration SETTLE = Duration.ofSeconds(2);

  private final Node node;
  private final int lines;
  private final int containers;
  private final Path directory;

  private LogsBenchmark(Node node, int lines, int containers, Path directory) {
    this.node = node;
    this.lines = lines;
    this.containers = containers;
    this.directory = directory;
  }

  /**
   * What was measured of a runtime.
   *
   * @param inJournal lines found there; -1 where the runtime does not use it
   * @param latency where it was measured
   */
  private record Figures(
      String runtime,
      double seconds,
      double cpuSeconds,
      double journaldSeconds,
      long inFiles,
      long inJournal,
      Optional<Latency> latency) {}

  private record Written(String id, Path log) {}

  /** Measures all runtimes and prints what came out. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length < 4) {
      System.err.println("usage: LogsBenchmark INSIDE LINES CONTAINERS RUNTIME…");
      System.exit(2);
    }
    Node node = new Node(Path.of(arguments[0]));
    int lines = Integer.parseInt(arguments[1]);
    int containers = Integer.parseInt(arguments[2]);
    node.pushImages(IMAGE_NAME);
    long lost = 0;
    for (String runtime : List.of(arguments).subList(3, arguments.length)) {
      Path directory = Files.createTempDirectory(Path.of("/var/tmp"), "bench-logs-");
      try {
        Figures figures = new LogsBenchmark(node, lines, containers, directory).measure(runtime);
        print(figures, lines, containers);
        long expected = (long) lines * containers;
        lost += Math.abs(expected - figures.inFiles());
        lost += figures.inJournal() < 0 ? 0 : Math.abs(expected - figures.inJournal());
      } finally {
        node.run(List.of("rm", "-rf", directory.toString()));
      }
    }
    System.out.printf("lost %d%n", lost);
  }

  private static void print(Figures figures, int lines, int containers) {
    double all = (double) lines * containers;
    double gigabytes = all * LINE_BYTES / 1e9;
    System.out.printf(
        "%-10s  %d containers, %d lines each: %.0f lines/s, %.1f MB/s; CPU per GB: %.1f s%s; in the files %d%s%n",
        figures.runtime(),
        containers,
        lines,
        all / figures.seconds(),
        all * LINE_BYTES / 1e6 / figures.seconds(),
        figures.cpuSeconds() / gigabytes,
        figures.inJournal() < 0
            ? ""
            : " and journald %.1f s".formatted(figures.journaldSeconds() / gigabytes),
        figures.inFiles(),
        figures.inJournal() < 0 ? "" : ", in the journal " + figures.inJournal());
    figures
        .latency()
        .ifPresent(latency ->
            System.out.printf(
                "%-10s  from a write, at rest (median of %d): %.2f ms to the file, %.2f ms to journald, %.0f ms to journalctl --follow%n",
                figures.runtime(),
                LATENCY_SAMPLES,
                latency.file(),
                latency.journal(),
                latency.follower()));
  }

  private Figures measure(String runtime) throws IOException, InterruptedException {
    System.err.printf("measuring %s with %d containers of %d lines%n", runtime, containers, lines);
    writeLines(directory.resolve("lines"));
    boolean journal = runtime.equals("stagelet");
    Path socket = node.start(runtime);
    String unit = journal ? "stagelet-testhost.service" : runtime + ".service";
    try (CriConnection cri = new CriConnection(socket)) {
      cri.images()
          .withWaitForReady()
          .pullImage(PullImageRequest.newBuilder().setImage(image()).build());
      PodSandboxConfig pod = pod();
      String sandbox =
          cri.runtime()
              .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(pod).build())
              .getPodSandboxId();
      List<Written> written = new ArrayList<>();
      for (int i = 0; i < containers; i++) {
        written.add(
            start(
                cri,
                sandbox,
                pod,
                "writer-" + i,
                "until [ -e /bench/go ]; do sleep 0.05; done; exec cat /bench/lines"));
      }
      Thread.sleep(SETTLE);
      double cpu = cpuSeconds(unit);
      double journald = cpuSeconds("systemd-journald.service");
      long begun = System.nanoTime();
      Files.writeString(directory.resolve("go"), "");
      for (Written each : written) {
        awaitEnd(cri, each, begun);
      }
      double seconds = (System.nanoTime() - begun) / 1e9;
      Thread.sleep(SETTLE);
      cpu = cpuSeconds(unit) - cpu;
      node.run(List.of("journalctl", "--sync"));
      journald = cpuSeconds("systemd-journald.service") - journald;
      long inFiles = 0;
      long inJournal = journal ? 0 : -1;
      for (Written each : written) {
        inFiles += linesIn(Files.newInputStream(each.log()));
        if (journal) {
          inJournal += linesInJournal(each.id());
        }
      }
      Optional<Latency> latency =
          journal ? Optional.of(latency(cri, sandbox, pod)) : Optional.empty();
      cri.runtime()
          .removePodSandbox(RemovePodSandboxRequest.newBuilder().setPodSandboxId(sandbox).build());
      return new Figures(runtime, seconds, cpu, journald, inFiles, inJournal, latency);
    } finally {
      node.stop(runtime);
    }
  }

  private void writeLines(Path file) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
      String padding = "x".repeat(LINE_BYTES - 10);
      for (int i = 0; i < lines; i++) {
        out.write("%08d %s%n".formatted(i, padding).getBytes(StandardCharsets.US_ASCII));
      }
    }
  }

  private PodSandboxConfig pod() {
    return PodSandboxConfig.newBuilder()
        .setMetadata(
            PodSandboxMetadata.newBuilder()
                .setName("logs")
                .setNamespace("bench")
                .setUid(UUID.randomUUID().toString()))
        .setLogDirectory(directory.resolve("logs").toString())
        .setLinux(
            LinuxPodSandboxConfig.newBuilder()
                .setCgroupParent("bench.slice")
                .setSecurityContext(
                    LinuxSandboxSecurityContext.newBuilder()
                        .setNamespaceOptions(
                            NamespaceOption.newBuilder().setNetwork(NamespaceMode.NODE))))
        .build();
  }

  private Written start(
      CriConnection cri, String sandbox, PodSandboxConfig pod, String name, String shell) {
    ContainerConfig config =
        ContainerConfig.newBuilder()
            .setMetadata(ContainerMetadata.newBuilder().setName(name))
            .setImage(image())
            .addAllCommand(List.of("sh", "-c", shell))
            .addMounts(
                Mount.newBuilder().setHostPath(directory.toString()).setContainerPath("/bench"))
            .setLogPath(name + "/0.log")
            .build();
    String id =
        cri.runtime()
            .createContainer(
                CreateContainerRequest.newBuilder()
                    .setPodSandboxId(sandbox)
                    .setConfig(config)
                    .setSandboxConfig(pod)
                    .build())
            .getContainerId();
    cri.runtime().startContainer(StartContainerRequest.newBuilder().setContainerId(id).build());
    return new Written(id, directory.resolve("logs").resolve(name).resolve("0.log"));
  }

  private static void awaitEnd(CriConnection cri, Written written, long begun)
      throws InterruptedException {
    while (cri.runtime()
            .containerStatus(
                ContainerStatusRequest.newBuilder().setContainerId(written.id()).build())
            .getStatus()
            .getState()
        != ContainerState.CONTAINER_EXITED) {
      if (System.nanoTime() - begun > LONGEST_RUN.toNanos()) {
        throw new IllegalStateException("a container does not come to its end: " + written);
      }
      Thread.sleep(20);
    }
  }

  /**
   * How long a line takes that a container at rest writes.
   *
   * @param file to kubelet's file
   * @param journal to journald, by the time that this gives the entry
   * @param follower to whoever follows with journalctl; journald wakes them a few times a second
   */
  private record Latency(double file, double journal, double follower) {}

  private Latency latency(CriConnection cri, String sandbox, PodSandboxConfig pod)
      throws IOException, InterruptedException {
    Path fifo = directory.resolve("fifo");
    node.run(List.of("mkfifo", fifo.toString()));
    Written echo = start(cri, sandbox, pod, "echo", "exec cat /bench/fifo");
    Process follow =
        new ProcessBuilder(
                "journalctl",
                "--follow",
                "--lines=0",
                "--output=json",
                "CONTAINER_ID_FULL=" + echo.id(),
                "STREAM=stdout")
            .start();
    Durations file = new Durations();
    Durations journal = new Durations();
    Durations follower = new Durations();
    try (OutputStream to = Files.newOutputStream(fifo);
        BufferedReader from =
            new BufferedReader(
                new InputStreamReader(follow.getInputStream(), StandardCharsets.US_ASCII))) {
      Thread.sleep(SETTLE);
      for (int i = -1; i < LATENCY_SAMPLES; i++) {
        long size = Files.size(echo.log());
        String line = "sample " + i;
        Instant written = Instant.now();
        long begun = System.nanoTime();
        to.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
        while (Files.size(echo.log()) == size) {
          Thread.onSpinWait();
        }
        Duration inFile = Duration.ofNanos(System.nanoTime() - begun);
        String heard = String.valueOf(from.readLine());
        Matcher received = RECEIVED.matcher(heard);
        if (!heard.contains(line) || !received.find()) {
          throw new IllegalStateException("'%s' came as '%s'".formatted(line, heard));
        }
        // the first one warms up
        if (i >= 0) {
          file.add(inFile);
          journal.add(
              Duration.between(
                  written,
                  Instant.EPOCH.plus(Long.parseLong(received.group(1)), ChronoUnit.MICROS)));
          follower.add(Duration.ofNanos(System.nanoTime() - begun));
        }
        Thread.sleep(50);
      }
    } finally {
      follow.destroy();
    }
    return new Latency(file.medianMillis(), journal.medianMillis(), follower.medianMillis());
  }

  private double cpuSeconds(String unit) {
    String nanos =
        node.run(List.of("systemctl", "show", "--property=CPUUsageNSec", "--value", unit));
    return nanos.matches("[0-9]{1,18}") ? Long.parseLong(nanos) / 1e9 : Double.NaN;
  }

  private static long linesInJournal(String id) throws IOException {
    Process journalctl =
        new ProcessBuilder(
                "journalctl",
                "--quiet",
                "--all",
                "--output=cat",
                "CONTAINER_ID_FULL=" + id,
                "STREAM=stdout")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    return linesIn(journalctl.getInputStream());
  }

  private static long linesIn(InputStream input) throws IOException {
    try (input) {
      byte[] buffer = new byte[1 << 16];
      long lines = 0;
      for (int count = input.read(buffer); count >= 0; count = input.read(buffer)) {
        for (int i = 0; i < count; i++) {
          if (buffer[i] == '\n') {
            lines++;
          }
        }
      }
      return lines;
    }
  }

  private static ImageSpec image() {
    return ImageSpec.newBuilder().setImage(IMAGE).build();
  }
}
