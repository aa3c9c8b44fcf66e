package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RelayTest {
  private static final Duration GRACE = Duration.ofSeconds(10);

  /** Keeps as systemd does: by a descriptor of its own. */
  private static final class DuplicatingKeeper implements DescriptorKeeper {
    private final DescriptorCalls descriptors = new DescriptorCalls();
    private final Map<String, Integer> kept = new HashMap<>();

    @Override
    public synchronized void keep(String name, int fd) {
      kept.put(name, descriptors.duplicate(fd));
    }

    @Override
    public synchronized void forget(String name) {
      Integer fd = kept.remove(name);
      if (fd != null) {
        descriptors.close(fd);
      }
    }

    synchronized Map<String, Integer> handOver() {
      Map<String, Integer> again = new HashMap<>();
      kept.forEach((name, fd) -> again.put(name, descriptors.duplicate(fd)));
      return again;
    }

    synchronized boolean isEmpty() {
      return kept.isEmpty();
    }
  }

  @TempDir Path directory;
  private final DuplicatingKeeper keeper = new DuplicatingKeeper();
  private JournalReceiver receiver;
  private Journal journal;
  private Relay relay;
  private ContainerOutput output;
  private Path log;

  @BeforeEach
  void start() throws IOException {
    receiver = new JournalReceiver(directory.resolve("socket"));
    journal = Journal.open(directory.resolve("socket"));
    log = directory.resolve("logs/web/0.log");
    output =
        new ContainerOutput(
            "c1",
            directory.resolve("run/c1.out"),
            directory.resolve("run/c1.err"),
            Optional.of(log),
            Map.of("CONTAINER_NAME", "web"));
    relay = newRelay();
  }

  @AfterEach
  void stop() {
    relay.close();
    journal.close();
    receiver.close();
    keeper.forget("c1.out");
    keeper.forget("c1.err");
  }

  /** An OCI runtime that has joined a pod's user namespace goes through what is above. */
  @Test
  void itsDirectoryIsItsOwnAndWhatIsAboveIsNot() throws IOException {
    assertThat(Files.getPosixFilePermissions(directory.resolve("made/spool")))
        .isEqualTo(PosixFilePermissions.fromString("rwx------"));
    assertThat(Files.getPosixFilePermissions(directory.resolve("made")))
        .contains(PosixFilePermission.OTHERS_EXECUTE);
  }

  @Test
  void carriesBothStreams() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "out 1\nout 2\n");
    write(output.stderrFifo(), "err 1\n");
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).containsExactly("out 1", "out 2");
    assertThat(lines("stderr")).containsExactly("err 1");
    assertThat(messages(StreamKind.STDOUT)).containsExactly("out 1", "out 2");
    assertThat(messages(StreamKind.STDERR)).containsExactly("err 1");
    assertThat(relay.counters()).isEqualTo(new RelayCounters(18, 3, 3, Files.size(log), 0, 0, 0));
  }

  @Test
  void leavesNothingBehindAfterTheEnd() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "out\n");
    relay.finish("c1", GRACE);
    assertThat(keeper.isEmpty()).isTrue();
    assertThat(directory.resolve("run")).isEmptyDirectory();
    assertThat(directory.resolve("made/spool")).isEmptyDirectory();
  }

  @Test
  void carriesWhatSeveralWritersInTurnWrite() throws IOException {
    relay.open(output);
    for (int i = 0; i < 20; i++) {
      write(output.stdoutFifo(), "writer " + i + "\n");
      int seen = i + 1;
      await().until(() -> receiver.entries().size() == seen);
    }
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).hasSize(20).endsWith("writer 19");
  }

  @Test
  void deliversALastLineWithoutLineFeed() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "no end");
    relay.finish("c1", GRACE);
    assertThat(CriLog.read(log)).extracting(CriLog.Line::tag).containsExactly("P");
    assertThat(messages(StreamKind.STDOUT)).containsExactly("no end");
  }

  @Test
  void waitsNoLongerThanTheGraceForAWriterThatIsLeft() throws IOException {
    relay.open(output);
    try (OutputStream left = Files.newOutputStream(output.stdoutFifo())) {
      left.write("early\n".getBytes(StandardCharsets.UTF_8));
      assertThat(relay.finish("c1", Duration.ofMillis(300))).isFalse();
      assertThat(lines("stdout")).containsExactly("early");
      assertThat(keeper.isEmpty()).isTrue();
    }
  }

  @Test
  void endsTheGraceAlsoWhenOnlyTheSecondStreamHasAWriterLeft() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "done\n");
    try (OutputStream left = Files.newOutputStream(output.stderrFifo())) {
      left.write("early\n".getBytes(StandardCharsets.UTF_8));
      assertThat(relay.finish("c1", Duration.ofMillis(300))).isFalse();
      assertThat(lines("stdout")).containsExactly("done");
      assertThat(lines("stderr")).containsExactly("early");
    }
  }

  @Test
  void opensTheLogFileAnewAfterItsRotation() throws IOException {
    relay.open(output);
    Path rotated = log.resolveSibling("0.log.1");
    try (OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
      writer.write("one\n".getBytes(StandardCharsets.UTF_8));
      await().until(() -> Files.size(log) > 0);
      Files.move(log, rotated);
      writer.write("two\n".getBytes(StandardCharsets.UTF_8));
      await().until(() -> CriLog.read(rotated).size() == 2);
      relay.reopenLog("c1");
      assertThat(log).isEmptyFile();
      writer.write("three\n".getBytes(StandardCharsets.UTF_8));
    }
    relay.finish("c1", GRACE);
    assertThat(lines("stdout")).containsExactly("three");
  }

  @Test
  void goesOnAfterARestart() throws IOException {
    relay.open(output);
    try (OutputStream writer = Files.newOutputStream(output.stdoutFifo())) {
      writer.write("one\ntw".getBytes(StandardCharsets.UTF_8));
      await().until(() -> receiver.entries().size() == 1);
      relay.close();
      writer.write("o\nthree\n".getBytes(StandardCharsets.UTF_8));
      relay = newRelay();
      relay.adopt(output, keeper.handOver());
      writer.write("four\n".getBytes(StandardCharsets.UTF_8));
    }
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).containsExactly("one", "two", "three", "four");
    assertThat(messages(StreamKind.STDOUT)).containsExactly("one", "two", "three", "four");
  }

  @Test
  void deliversWhatWasWrittenWhileItWasNotThere() throws IOException {
    relay.open(output);
    relay.close();
    write(output.stdoutFifo(), "last words\n");
    relay = newRelay();
    relay.adopt(output, keeper.handOver());
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).containsExactly("last words");
  }

  @Test
  void adoptsByPathWhatTheKeeperDidNotGiveBack() throws IOException {
    relay.open(output);
    relay.close();
    relay = newRelay();
    relay.adopt(output, Map.of());
    write(output.stdoutFifo(), "hello\n");
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).containsExactly("hello");
  }

  @Test
  void carriesWithoutALogFile() throws IOException {
    ContainerOutput journalOnly =
        new ContainerOutput(
            "c1", output.stdoutFifo(), output.stderrFifo(), Optional.empty(), Map.of());
    relay.open(journalOnly);
    write(output.stdoutFifo(), "hello\n");
    relay.reopenLog("c1");
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(messages(StreamKind.STDOUT)).containsExactly("hello");
  }

  @Test
  void holdsTheContainerUpWhileTheJournalIsBehindAndLosesNothing() throws Exception {
    relay.open(output);
    byte[] line = "x".repeat(99).concat("\n").getBytes(StandardCharsets.UTF_8);
    Thread writer =
        Thread.ofPlatform()
            .start(() -> {
              try (OutputStream out = Files.newOutputStream(output.stdoutFifo())) {
                for (int i = 0; i < 50_000; i++) {
                  out.write(line);
                }
              } catch (IOException failure) {
                throw new java.io.UncheckedIOException(failure);
              }
            });
    await().until(() -> relay.counters().stalledStreams() == 1);
    // for less than a second nothing is said
    await().during(Duration.ofMillis(1100)).until(writer::isAlive);
    takeEntriesUntilEndOf(writer);
    Thread finisher = Thread.ofPlatform().start(() -> relay.finish("c1", GRACE));
    takeEntriesUntilEndOf(finisher);
    assertThat(receiver.output(StreamKind.STDOUT).length).isEqualTo(5_000_000);
    assertThat(CriLog.output(CriLog.read(log), "stdout").length).isEqualTo(5_000_000);
    assertThat(relay.counters().stalledStreams()).isZero();
    assertThat(relay.counters().stalls()).isPositive();
    await().until(() -> notices("The journal took no output").size() >= 1);
  }

  @Test
  void connectsAgainWhenTheJournalsSocketWasReplaced() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "before\n");
    await().until(() -> receiver.entries().size() == 1);
    receiver.close();
    write(output.stdoutFifo(), "between\n");
    await().until(() -> relay.counters().stalledStreams() == 1);
    receiver = new JournalReceiver(directory.resolve("socket"));
    await().until(() -> receiver.entries().size() == 1);
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(messages(StreamKind.STDOUT)).containsExactly("between");
  }

  @Test
  void goesOnWhenTheLogFileCanBeWrittenAgainAndSaysSoOnce() throws IOException {
    relay.open(output);
    write(output.stdoutFifo(), "one\n");
    await().until(() -> Files.size(log) > 0);
    Files.delete(log);
    // a directory in the file's place: nothing can be appended to it
    Files.createDirectory(log);
    write(output.stdoutFifo(), "two\n");
    await().until(() -> notices("The output of container c1 waits").size() == 1);
    await().until(() -> messages(StreamKind.STDOUT).contains("two"));
    Files.delete(log);
    await().until(() -> notices("The output of container c1 goes on").size() == 1);
    assertThat(relay.finish("c1", GRACE)).isTrue();
    assertThat(lines("stdout")).containsExactly("two");
    assertThat(notices("The output of container c1 waits")).hasSize(1);
    assertThat(JournalReceiver.text(notices("The output").getFirst(), "CONTAINER_NAME"))
        .isEqualTo("web");
  }

  @Test
  void dropsADiscardedContainer() {
    relay.open(output);
    relay.discard("c1");
    assertThat(keeper.isEmpty()).isTrue();
    assertThat(directory.resolve("run")).isEmptyDirectory();
    assertThat(directory.resolve("made/spool")).isEmptyDirectory();
    relay.open(output);
  }

  @Test
  void refusesAContainerThatItCarriesAlready() {
    relay.open(output);
    assertThatThrownBy(() -> relay.open(output))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.ALREADY_EXISTS));
  }

  @Test
  void leavesNothingBehindWhenTheLogFileCannotBeMade() throws IOException {
    Files.createDirectories(log);
    assertThatThrownBy(() -> relay.open(output))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(log.toString());
    assertThat(keeper.isEmpty()).isTrue();
    assertThat(directory.resolve("run")).doesNotExist();
  }

  @Test
  void saysPlainlyThatALogFileOfAnUnknownContainerCannotBeOpenedAnew() {
    assertThatThrownBy(() -> relay.reopenLog("c9"))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("c9");
  }

  @Test
  void answersCallsAfterItsEndInsteadOfHanging() {
    relay.open(output);
    relay.close();
    assertThatThrownBy(() -> relay.finish("c1", GRACE))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.UNAVAILABLE));
  }

  private void takeEntriesUntilEndOf(Thread thread) throws InterruptedException {
    while (!thread.join(Duration.ofMillis(1))) {
      receiver.entries();
    }
    receiver.entries();
  }

  private Relay newRelay() {
    return new Relay(
        journal,
        journal.path(),
        keeper,
        directory.resolve("made/spool"),
        Clock.systemUTC(),
        receiver,
        Optional.empty());
  }

  private List<Map<String, byte[]>> notices(String begin) {
    return receiver.entries().stream()
        .filter(entry -> entry.containsKey("MESSAGE_ID"))
        .filter(entry -> JournalReceiver.text(entry, "MESSAGE").startsWith(begin))
        .toList();
  }

  private List<String> lines(String stream) {
    return CriLog.read(log).stream()
        .filter(line -> line.stream().equals(stream))
        .map(CriLog.Line::string)
        .toList();
  }

  private List<String> messages(StreamKind kind) {
    return receiver.entriesOf(kind).stream()
        .map(entry -> JournalReceiver.text(entry, "MESSAGE"))
        .toList();
  }

  private static void write(Path fifo, String text) throws IOException {
    try (OutputStream writer = Files.newOutputStream(fifo)) {
      writer.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }
}
