package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.Command;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The relay with the machine's systemd and journald, carrying what real processes write. */
class RelayIT {
  private static final Duration LONG = Duration.ofMinutes(2);

  private static final DescriptorKeeper NOBODY =
      new DescriptorKeeper() {
        @Override
        public void keep(String name, int fd) {}

        @Override
        public void forget(String name) {}
      };

  private final String id = UUID.randomUUID().toString().replace("-", "");
  private final String unit = "ctr-" + id + ".service";

  /** Not in /tmp: processes of units must reach it. */
  private final Path run = Path.of("/run/relay-it-" + id);

  private final List<String> units = new ArrayList<>();
  @TempDir Path directory;
  private Journal journal;
  private Relay relay;
  private ContainerOutput output;
  private Path log;

  @BeforeEach
  void start() {
    log = directory.resolve("logs/web/0.log");
    journal = Journal.open(Journal.SOCKET);
    relay = new Relay(journal, NOBODY, run.resolve("relay"), Clock.systemUTC(), Optional.empty());
    output =
        new ContainerOutput(
            id,
            run.resolve("fifos/out"),
            run.resolve("fifos/err"),
            Optional.of(log),
            new ContainerFields(
                    unit, id, "web", "nginx:1", "default", "web-0", "uid-1", "pod-1", "web", 2,
                    Map.of())
                .toMap());
  }

  @AfterEach
  void stop() throws IOException {
    for (String started : units) {
      Command.of("systemctl", "stop", started).run();
      Command.of("systemctl", "reset-failed", started).run();
    }
    relay.close();
    journal.close();
    io.stagelet.linux.DurableFiles.deleteTree(run);
  }

  @Test
  void carriesWhatAUnitOfAnotherUserWritesAlsoWhenItOpensItsOutputAnew() {
    relay.open(output);
    Command.of(
            "systemd-run",
            "--wait",
            "--quiet",
            "--unit=" + unit,
            "--property=User=nobody",
            "--property=StandardOutput=file:" + output.stdoutFifo(),
            "--property=StandardError=file:" + output.stderrFifo(),
            "--property=ExecStartPre=/bin/echo before",
            "--property=ExecStopPost=/bin/echo after",
            "/bin/sh",
            "-c",
            "echo plain; echo reopened > /dev/stdout; echo wrong > /dev/stderr; printf 'no end'")
        .runChecked();
    assertThat(relay.finish(id, LONG)).isTrue();
    assertThat(logLines("stdout")).containsExactly("before", "plain", "reopened", "no endafter");
    assertThat(logLines("stderr")).containsExactly("wrong");
    assertThat(ofStream("stdout")).containsExactly("before", "plain", "reopened", "no endafter");
    assertThat(ofStream("stderr")).containsExactly("wrong");
    assertThat(journalctl("--output=cat", "--unit=" + unit, "_COMM=java"))
        .as("found by the unit's name")
        .hasSize(5);
    assertThat(
            journalctl(
                "--output=cat",
                "--output-fields="
                    + "PRIORITY,IMAGE_NAME,K8S_NAMESPACE_NAME,K8S_POD_NAME,K8S_CONTAINER_ATTEMPT",
                "CONTAINER_ID_FULL=" + id,
                "STREAM=stderr"))
        .containsExactlyInAnyOrder("3", "nginx:1", "default", "web-0", "2");
  }

  @Test
  void keepsBinaryOutputByteForByte() throws IOException {
    relay.open(output);
    byte[] bytes = {0, 1, (byte) 0xff, (byte) 0xc3, '\r', 27, '[', '0', 'm', '\n'};
    try (OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
      writer.write(bytes);
    }
    assertThat(relay.finish(id, LONG)).isTrue();
    assertThat(CriLog.output(CriLog.read(log), "stdout")).isEqualTo(bytes);
    Command.of("journalctl", "--sync").runChecked();
    assertThat(
            Command.of("journalctl", "--quiet", "--all", "--output=cat", "CONTAINER_ID_FULL=" + id)
                .runChecked()
                .output())
        .isEqualTo(bytes);
  }

  @Test
  void slowsTheContainerWhileTheDiskIsFullAndLosesNothing() throws Exception {
    Path small = directory.resolve("small");
    Files.createDirectories(small);
    Command.of("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", small.toString()).runChecked();
    try {
      Path file = small.resolve("0.log");
      output =
          new ContainerOutput(
              id, output.stdoutFifo(), output.stderrFifo(), Optional.of(file), output.fields());
      relay.open(output);
      Process writer =
          new ProcessBuilder("seq", "1", "100000")
              .redirectOutput(output.stdoutFifo().toFile())
              .start();
      await().atMost(LONG).until(() -> relay.counters().stalledStreams() == 1);
      await().during(Duration.ofSeconds(1)).until(writer::isAlive);
      assertThat(CriLog.read(file)).as("ends with a whole line").isNotEmpty();
      Command.of("mount", "-o", "remount,size=64M", small.toString()).runChecked();
      assertThat(relay.finish(id, LONG)).isTrue();
      assertThat(CriLog.read(file)).extracting(CriLog.Line::string).isEqualTo(numbers(100_000));
      assertThat(ofStream("stdout")).isEqualTo(numbers(100_000));
      assertThat(
              journalctl("--output=cat", "--grep=output of container", "CONTAINER_ID_FULL=" + id))
          .hasSize(2)
          .anySatisfy(text -> assertThat(text).contains("waits").contains("no space left"))
          .anySatisfy(text -> assertThat(text).contains("goes on"));
    } finally {
      Command.of("umount", small.toString()).runChecked();
    }
  }

  @Test
  void slowsTheContainerWhileTheDiskIsReadOnlyAndLosesNothing() throws Exception {
    Path disk = directory.resolve("disk");
    Files.createDirectories(disk);
    Command.of("mount", "-t", "tmpfs", "tmpfs", disk.toString()).runChecked();
    try {
      Path file = disk.resolve("0.log");
      output =
          new ContainerOutput(
              id, output.stdoutFifo(), output.stderrFifo(), Optional.of(file), output.fields());
      relay.open(output);
      try (OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
        writer.write("first\n".getBytes(StandardCharsets.UTF_8));
        await().atMost(LONG).until(() -> relay.counters().lines() == 1);
        // without its name, the file is made anew before the next line, and cannot be
        Files.delete(file);
        Command.of("mount", "--bind", disk.toString(), disk.toString()).runChecked();
        Command.of("mount", "-o", "remount,ro,bind", disk.toString()).runChecked();
        writer.write("second\n".getBytes(StandardCharsets.UTF_8));
        await().atMost(LONG).until(() -> relay.counters().stalledStreams() == 1);
      }
      Command.of("umount", disk.toString()).runChecked();
      assertThat(relay.finish(id, LONG)).isTrue();
      assertThat(CriLog.read(file)).extracting(CriLog.Line::string).containsExactly("second");
      assertThat(ofStream("stdout")).containsExactly("first", "second");
    } finally {
      Command.of("umount", "--all-targets", disk.toString()).run();
    }
  }

  @Test
  void fillsAJournalNamespaceAndLeavesTheSystemsJournalAlone() throws IOException {
    JournalNamespace namespace = new JournalNamespace("relay-it");
    namespace.open();
    namespace.open();
    units.add("stagelet-journal-relay-it.service");
    try (Relay other =
        new Relay(
            journal, NOBODY, run.resolve("other"), Clock.systemUTC(), Optional.of(namespace))) {
      other.open(output);
      Files.writeString(output.stdoutFifo(), "apart\n");
      assertThat(other.finish(id, Duration.ofSeconds(20))).isTrue();
      // its journald is only started by the entry, and answers when it is up
      await()
          .atMost(LONG)
          .until(() ->
              Command.of("journalctl", namespace.journalctlOption(), "--sync").run().exitCode()
                  == 0);
      assertThat(
              journalctl(namespace.journalctlOption(), "--output=cat", "CONTAINER_ID_FULL=" + id))
          .containsExactly("apart");
      assertThat(journalctl("--output=cat", "CONTAINER_ID_FULL=" + id)).isEmpty();
    }
  }

  @Test
  void givesContainersAJournalWithLimitsOfItsOwn() throws IOException {
    Path limits = Path.of("/etc/systemd/journald@relay-limits.conf");
    Files.writeString(
        limits,
        """
        [Journal]
        Storage=persistent
        SystemMaxUse=16M
        SystemMaxFileSize=4M
        """);
    JournalNamespace namespace = new JournalNamespace("relay-limits");
    namespace.open();
    units.add("stagelet-journal-relay-limits.service");
    journal.send(JournalEntry.message(6, "of the system").field("STAGELET_TEST", id).build());
    try (Relay other =
        new Relay(
            journal, NOBODY, run.resolve("other"), Clock.systemUTC(), Optional.of(namespace))) {
      other.open(output);
      Random random = new Random(1);
      byte[] bytes = new byte[30_000];
      try (OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
        for (int i = 0; i < 1500; i++) {
          random.nextBytes(bytes);
          String line = i + " " + Base64.getEncoder().encodeToString(bytes) + "\n";
          writer.write(line.getBytes(StandardCharsets.US_ASCII));
        }
      }
      assertThat(other.finish(id, LONG)).isTrue();
      Command.of("journalctl", namespace.journalctlOption(), "--sync").runChecked();
      List<String> kept =
          journalctl(namespace.journalctlOption(), "--output=cat", "CONTAINER_ID_FULL=" + id);
      assertThat(kept).as("the oldest are gone").hasSizeBetween(100, 1400);
      assertThat(kept.getLast()).startsWith("1499 ");
      assertThat(journalctl("--output=cat", "STAGELET_TEST=" + id))
          .containsExactly("of the system");
    } finally {
      Files.deleteIfExists(limits);
    }
  }

  @Test
  void aLineAtRestIsWithThoseWhoFollowBeforeJournaldTellsThem() throws Exception {
    relay.open(output);
    Process follow =
        new ProcessBuilder(
                "journalctl", "--follow", "--lines=0", "--output=cat", "CONTAINER_ID_FULL=" + id)
            .start();
    long quickest = Long.MAX_VALUE;
    try (BufferedReader heard =
            new BufferedReader(
                new InputStreamReader(follow.getInputStream(), StandardCharsets.US_ASCII));
        OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
      // the follower says nothing of when it is there
      await()
          .atMost(LONG)
          .until(() -> {
            writer.write("begin\n".getBytes(StandardCharsets.US_ASCII));
            return heard.ready();
          });
      for (int i = 0; i < 20; i++) {
        Thread.sleep(100);
        String line = "line " + i;
        long begun = System.nanoTime();
        writer.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
        String next = heard.readLine();
        while ("begin".equals(next)) {
          next = heard.readLine();
        }
        assertThat(next).isEqualTo(line);
        quickest = Math.min(quickest, System.nanoTime() - begun);
      }
    } finally {
      follow.destroy();
    }
    assertThat(Duration.ofNanos(quickest))
        .as("journald alone takes 250 ms at the least")
        .isLessThan(Duration.ofMillis(200));
  }

  @Test
  void losesAndDoublesNothingWhenItIsKilledAndJournaldRestartedUnderLoad() throws Exception {
    assertThat(numbersUnderTrouble(10, 10_000, 100_000, "cat")).isGreaterThanOrEqualTo(1_000_000);
  }

  @Test
  void losesAndDoublesNothingOfSingleBytesWhenItIsKilledAndJournaldRestarted() throws Exception {
    assertThat(numbersUnderTrouble(10, 5_000, 100_000, "dd bs=1 status=none"))
        .isGreaterThanOrEqualTo(1_000_000);
  }

  /**
   * Several writers number their lines, without a pause, until the relay's process was killed twice
   * and journald was restarted; then every line is there once, and in order.
   *
   * @param chunk how many lines a writer writes at once
   * @param least how many it writes at the least
   * @param through what writes to the container's output
   * @return how many lines there were
   */
  private int numbersUnderTrouble(int containers, int chunk, int least, String through)
      throws Exception {
    startProcess(containers);
    List<ContainerOutput> outputs = RelayProcess.outputs(directory, containers, id);
    List<Process> writers = new ArrayList<>();
    for (ContainerOutput each : outputs) {
      writers.add(
          writer(
              each,
              """
              { i=0
                until [ $i -ge %1$d ] && [ -e "$1/enough" ]; do
                  seq $((i * %2$d + 1)) $((i * %2$d + %2$d)); i=$((i + 1))
                done
                echo $i > "$1/chunks-$2"; } | %3$s
              """
                  .formatted(least / chunk, chunk, through)));
    }
    bringTrouble(containers, least / 20);
    awaitWriters(writers);
    finishProcess();
    int all = 0;
    for (ContainerOutput each : outputs) {
      int lines = chunk * Integer.parseInt(written("chunks-" + each.id()));
      all += lines;
      assertThat(CriLog.read(logFile(each)))
          .as("log file of " + each.id())
          .extracting(CriLog.Line::string)
          .isEqualTo(numbers(lines));
      assertThat(journalOf(each.id())).as("journal of " + each.id()).isEqualTo(numbers(lines));
    }
    return all;
  }

  @Test
  void losesAndDoublesNothingOfLongLinesWhenItIsKilledAndJournaldRestarted() throws Exception {
    startProcess(1);
    ContainerOutput one = RelayProcess.outputs(directory, 1, id).getFirst();
    Process writer =
        writer(
            one,
            """
            i=0
            until [ $i -ge 4 ] && [ -e "$1/enough" ] || [ $i -eq 6 ]; do
              i=$((i + 1)); head -c 10000000 /dev/zero | tr '\\0' $i; echo
            done
            echo $i > "$1/chunks-$2"
            """);
    bringTrouble(1, 50);
    awaitWriters(List.of(writer));
    finishProcess();
    StringBuilder expected = new StringBuilder();
    int lines = Integer.parseInt(written("chunks-" + one.id()));
    for (int i = 1; i <= lines; i++) {
      expected.append(Integer.toString(i).repeat(10_000_000)).append('\n');
    }
    assertThat(
            new String(CriLog.output(CriLog.read(logFile(one)), "stdout"), StandardCharsets.UTF_8)
                .contentEquals(expected))
        .isTrue();
    assertThat(
            String.join("", journalOf(one.id()))
                .contentEquals(expected.toString().replace("\n", "")))
        .isTrue();
  }

  /** Runs a script whose output is a container's; it is told the test's folder and the id. */
  private Process writer(ContainerOutput container, String script) throws IOException {
    return new ProcessBuilder("sh", "-c", script, "sh", directory.toString(), container.id())
        .redirectOutput(container.stdoutFifo().toFile())
        .start();
  }

  private static void awaitWriters(List<Process> writers) throws InterruptedException {
    for (Process writer : writers) {
      assertThat(writer.waitFor(300, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
      assertThat(writer.exitValue()).isZero();
    }
  }

  private String written(String file) throws IOException {
    return Files.readString(directory.resolve(file)).strip();
  }

  /** Each time when more output has come: the writers go on until this is over. */
  private void bringTrouble(int containers, int lines) throws IOException {
    awaitLines(1 % containers, lines);
    kill();
    awaitLines(2 % containers, 6 * lines);
    Command.of("systemctl", "restart", "systemd-journald").runChecked();
    awaitLines(3 % containers, 10 * lines);
    kill();
    awaitLines(4 % containers, 12 * lines);
    Files.writeString(directory.resolve("enough"), "");
  }

  private void startProcess(int containers) {
    String name = "relay-it-" + id + ".service";
    Command.of(
            "systemd-run",
            "--quiet",
            "--unit=" + name,
            "--service-type=notify",
            "--property=FileDescriptorStoreMax=100",
            "--property=Restart=always",
            "--property=RestartSec=0",
            "--property=StartLimitIntervalSec=0",
            "--property=LogRateLimitIntervalSec=1s",
            "--property=LogRateLimitBurst=100000000",
            "--property=LimitNOFILE=10000",
            Path.of(System.getProperty("java.home"), "bin/java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            RelayProcess.class.getName(),
            directory.toString(),
            Integer.toString(containers),
            id)
        .withDeadline(LONG)
        .runChecked();
    units.add(name);
  }

  /** Kills the relay's process, the next one if it is just between two. */
  private void kill() {
    await()
        .atMost(LONG)
        .pollInterval(Duration.ofMillis(5))
        .until(() ->
            Command.of("systemctl", "kill", "--kill-whom=main", "--signal=KILL", units.getFirst())
                    .run()
                    .exitCode()
                == 0);
  }

  /** Waits until a container's file has so many lines. */
  private void awaitLines(int container, int atLeast) {
    ContainerOutput one = RelayProcess.outputs(directory, container + 1, id).get(container);
    await()
        .atMost(LONG)
        .pollInterval(Duration.ofMillis(2))
        .until(() -> {
          try (BufferedReader lines =
              Files.newBufferedReader(logFile(one), StandardCharsets.ISO_8859_1)) {
            return lines.lines().limit(atLeast).count() >= atLeast;
          }
        });
  }

  private void finishProcess() throws IOException {
    Files.writeString(directory.resolve("finish"), "");
    Path finished = directory.resolve("finished");
    await().atMost(LONG).until(() -> Files.exists(finished) && Files.size(finished) > 0);
    assertThat(Files.readString(finished)).startsWith("true ");
  }

  private static Path logFile(ContainerOutput output) {
    return output.logFile().orElseThrow();
  }

  private List<String> logLines(String stream) {
    return CriLog.read(log).stream()
        .filter(line -> line.stream().equals(stream))
        .map(CriLog.Line::string)
        .toList();
  }

  private List<String> ofStream(String stream) {
    return journalctl("--output=cat", "CONTAINER_ID_FULL=" + id, "STREAM=" + stream);
  }

  private List<String> journalOf(String containerId) {
    return journalctl("--output=cat", "CONTAINER_ID_FULL=" + containerId, "STREAM=stdout");
  }

  private static List<String> journalctl(String... arguments) {
    Command.of("journalctl", "--sync").runChecked();
    List<String> all = new ArrayList<>(List.of("journalctl", "--quiet", "--all"));
    all.addAll(List.of(arguments));
    return Command.of(all)
        .withOutputLimit(200 << 20)
        .withDeadline(LONG)
        .runChecked()
        .text()
        .lines()
        .toList();
  }

  private static List<String> numbers(int upTo) {
    return java.util.stream.IntStream.rangeClosed(1, upTo).mapToObj(Integer::toString).toList();
  }
}
