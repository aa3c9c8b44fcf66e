package io.stagelet.testhost.bench;

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
import java.util.stream.Stream;

/**
 * Measures how fast the output of containers is carried, and what is lost on the way: several
 * containers write numbered lines as fast as they can, all at once. One runtime after the other in
 * the same machine. Of Stagelet, also how long a line takes to whoever follows the journal, with a
 * line of {@code logger(1)} beside it. And what containers cost that say nothing.
 *
 * <p>Usage: {@code LogsBenchmark INSIDE LINES CONTAINERS SILENT RUNTIME…}; the script {@code
 * testhost/bench} calls it. A line has 100 bytes; with SILENT 0 those are left out, and with LINES
 * 0 all else.
 */
public final class LogsBenchmark {
  private static final String IMAGE_NAME = "e2e-test-images/busybox";
  private static final String IMAGE = "127.0.0.1:5000/" + IMAGE_NAME + ":latest";
  private static final Pattern RECEIVED =
      Pattern.compile("\"__REALTIME_TIMESTAMP\"\\s*:\\s*\"([0-9]+)\"");
  private static final int LINE_BYTES = 100;
  private static final int LATENCY_SAMPLES = 50;
  private static final int LOGGER_SAMPLES = 10;
  private static final Duration LONGEST_RUN = Duration.ofMinutes(10);
  private static final Duration SETTLE = Duration.ofSeconds(2);

  private final Node node;
  private final int lines;
  private final int containers;
  private final int silent;
  private final Path directory;

  private LogsBenchmark(Node node, int lines, int containers, int silent, Path directory) {
    this.node = node;
    this.lines = lines;
    this.containers = containers;
    this.silent = silent;
    this.directory = directory;
  }

  /**
   * What was measured of a runtime.
   *
   * @param inJournal lines found there; -1 where the runtime does not use it
   * @param latency where it was measured
   * @param idle where it was measured
   */
  private record Figures(
      String runtime,
      double seconds,
      double cpuSeconds,
      double journaldSeconds,
      long inFiles,
      long inJournal,
      Optional<Latency> latency,
      Optional<IdleCost> idle) {}

  /** Measures all runtimes and prints what came out. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length < 5) {
      System.err.println("usage: LogsBenchmark INSIDE LINES CONTAINERS SILENT RUNTIME…");
      System.exit(2);
    }
    Node node = new Node(Path.of(arguments[0]));
    int lines = Integer.parseInt(arguments[1]);
    int containers = Integer.parseInt(arguments[2]);
    int silent = Integer.parseInt(arguments[3]);
    node.pushImages(IMAGE_NAME);
    long lost = 0;
    for (String runtime : List.of(arguments).subList(4, arguments.length)) {
      Path directory = Files.createTempDirectory(Path.of("/var/tmp"), "bench-logs-");
      try {
        Figures figures =
            new LogsBenchmark(node, lines, containers, silent, directory).measure(runtime);
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
    if (lines > 0) {
      printSpeed(figures, lines, containers);
    }
    figures
        .latency()
        .ifPresent(latency ->
            System.out.printf(
                "%-10s  from a write, at rest (median of %d): %.2f ms to the file, %.2f ms to journald, %.2f ms to journalctl --follow; a line of logger: %.0f ms%n",
                figures.runtime(),
                LATENCY_SAMPLES,
                latency.file(),
                latency.journal(),
                latency.follower(),
                latency.logger()));
    figures
        .idle()
        .ifPresent(idle ->
            System.out.printf(
                "%-10s  %d silent containers: %d processes and %.1f MB beside theirs; CPU in ms a second, without and with them: own %.2f and %.2f, of all processes %.2f and %.2f%n",
                figures.runtime(),
                idle.containers(),
                idle.processes(),
                idle.megabytes(),
                idle.without().unit(),
                idle.with().unit(),
                idle.without().machine(),
                idle.with().machine()));
  }

  private static void printSpeed(Figures figures, int lines, int containers) {
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
  }

  private Figures measure(String runtime) throws IOException, InterruptedException {
    System.err.printf("measuring %s with %d containers of %d lines%n", runtime, containers, lines);
    writeLines(directory.resolve("lines"));
    boolean journal = runtime.equals("stagelet");
    try {
      Optional<IdleCost> idle = Optional.empty();
      if (silent > 0) {
        try (Writers writers = writers(runtime)) {
          idle = Optional.of(IdleCost.measure(node, writers, silent));
        }
      }
      if (lines == 0) {
        return new Figures(runtime, 0, 0, 0, 0, journal ? 0 : -1, Optional.empty(), idle);
      }
      try (Writers writers = writers(runtime)) {
        return measure(runtime, journal, writers, idle);
      }
    } finally {
      if (!runtime.equals("conmon")) {
        node.stop(runtime);
      }
    }
  }

  private Writers writers(String runtime) {
    if (runtime.equals("conmon")) {
      return new ConmonWriters(node, directory);
    }
    Path socket = node.start(runtime);
    String unit = runtime.equals("stagelet") ? "stagelet-testhost.service" : runtime + ".service";
    return new CriWriters(socket, unit, IMAGE, directory);
  }

  private Figures measure(String runtime, boolean journal, Writers writers, Optional<IdleCost> idle)
      throws IOException, InterruptedException {
    List<Writers.Written> written = new ArrayList<>();
    for (int i = 0; i < containers; i++) {
      written.add(
          writers.start(
              "writer-" + i, "until [ -e /bench/go ]; do sleep 0.05; done; exec cat /bench/lines"));
    }
    Thread.sleep(SETTLE);
    double cpu = cpuSeconds(writers.unit());
    double journald = cpuSeconds("systemd-journald.service");
    long begun = System.nanoTime();
    Files.writeString(directory.resolve("go"), "");
    for (Writers.Written each : written) {
      awaitEnd(writers, each, begun);
    }
    double seconds = (System.nanoTime() - begun) / 1e9;
    Thread.sleep(SETTLE);
    cpu = cpuSeconds(writers.unit()) - cpu;
    node.run(List.of("journalctl", "--sync"));
    journald = cpuSeconds("systemd-journald.service") - journald;
    long inFiles = 0;
    long inJournal = journal ? 0 : -1;
    for (Writers.Written each : written) {
      inFiles += wholeLinesIn(each.log());
      if (journal) {
        inJournal += linesInJournal(each.id());
      }
    }
    Optional<Latency> latency = journal ? Optional.of(latency(writers)) : Optional.empty();
    return new Figures(runtime, seconds, cpu, journald, inFiles, inJournal, latency, idle);
  }

  private void writeLines(Path file) throws IOException {
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
      String padding = "x".repeat(LINE_BYTES - 10);
      for (int i = 0; i < lines; i++) {
        out.write("%08d %s%n".formatted(i, padding).getBytes(StandardCharsets.US_ASCII));
      }
    }
  }

  private static void awaitEnd(Writers writers, Writers.Written written, long begun)
      throws IOException, InterruptedException {
    while (!writers.ended(written)) {
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
   * @param follower to whoever follows with journalctl
   * @param logger from a line of {@code logger(1)} to whoever follows: journald itself wakes them a
   *     few times a second
   */
  private record Latency(double file, double journal, double follower, double logger) {}

  private Latency latency(Writers writers) throws IOException, InterruptedException {
    Path fifo = directory.resolve("fifo");
    node.run(List.of("mkfifo", fifo.toString()));
    Writers.Written echo = writers.start("echo", "exec cat /bench/fifo");
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
    return new Latency(
        file.medianMillis(), journal.medianMillis(), follower.medianMillis(), loggerMillis());
  }

  private double loggerMillis() throws IOException, InterruptedException {
    String mark = "bench-" + UUID.randomUUID();
    Process follow =
        new ProcessBuilder(
                "journalctl", "--follow", "--lines=0", "--output=cat", "SYSLOG_IDENTIFIER=" + mark)
            .start();
    Durations all = new Durations();
    try (BufferedReader from =
        new BufferedReader(
            new InputStreamReader(follow.getInputStream(), StandardCharsets.US_ASCII))) {
      Thread.sleep(SETTLE);
      for (int i = 0; i < LOGGER_SAMPLES; i++) {
        node.run(List.of("logger", "--tag=" + mark, "sample " + i));
        long begun = System.nanoTime();
        String heard = String.valueOf(from.readLine());
        all.add(Duration.ofNanos(System.nanoTime() - begun));
        if (!heard.equals("sample " + i)) {
          throw new IllegalStateException("'sample %d' came as '%s'".formatted(i, heard));
        }
        Thread.sleep(600);
      }
    } finally {
      follow.destroy();
    }
    return all.medianMillis();
  }

  private double cpuSeconds(String unit) {
    String nanos =
        node.run(List.of("systemctl", "show", "--property=CPUUsageNSec", "--value", unit));
    return nanos.matches("[0-9]{1,18}") ? Long.parseLong(nanos) / 1e9 : Double.NaN;
  }

  /** In the form that kubelet reads; what has the tag P is a part of a line. */
  private static long wholeLinesIn(Path log) throws IOException {
    try (Stream<String> lines = Files.lines(log, StandardCharsets.ISO_8859_1)) {
      return lines.filter(line -> line.contains(" stdout F ")).count();
    }
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
}
