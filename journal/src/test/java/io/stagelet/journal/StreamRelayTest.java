package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.journal.Steps.Step;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Errno;
import io.stagelet.linux.Fifo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Stops the relay of a stream after each of its steps, as a kill would: nothing that is only in
 * memory survives, and the next relay goes on with the FIFO, the spool, the log file and the
 * journal as they are.
 */
class StreamRelayTest {
  private static final class Killed extends Error {
    private static final long serialVersionUID = 1L;

    private final Step step;

    Killed(Step step) {
      super("killed after " + step);
      this.step = step;
    }
  }

  @TempDir Path directory;
  private final DescriptorCalls descriptors = new DescriptorCalls();
  private JournalReceiver journal;
  private Path fifoPath;
  private int keptFifo;
  private int writer;
  private Path logPath;
  private ContainerOutput output;

  // what a kill takes away
  private @Nullable JournalSocket socket;
  private @Nullable Spool spool;
  private @Nullable LogFile log;
  private @Nullable StreamRelay stream;
  private @Nullable ContainerRelay container;
  private int stepsUntilKill = Integer.MAX_VALUE;
  private int kills;
  private OutputPolicy policy = OutputPolicy.BLOCK;

  @BeforeEach
  void start() throws IOException {
    journal = new JournalReceiver(directory.resolve("socket"));
    fifoPath = directory.resolve("fifo");
    Fifo.make(fifoPath, 0600, -1, -1);
    keptFifo = Fifo.openForReading(fifoPath);
    writer = descriptors.open(fifoPath, DescriptorCalls.O_WRONLY | DescriptorCalls.O_NONBLOCK, 0);
    logPath = directory.resolve("logs/c/0.log");
    output = new ContainerOutput("c1", fifoPath, fifoPath, Optional.of(logPath), Map.of());
    restart();
  }

  @AfterEach
  void stop() {
    abandonProcess();
    descriptors.close(keptFifo);
    journal.close();
  }

  @Test
  void deliversLinesToBothReceivers() throws IOException {
    carry("one\ntwo\n".getBytes(StandardCharsets.UTF_8), new Random(1));
    assertThat(CriLog.read(logPath)).extracting(CriLog.Line::string).containsExactly("one", "two");
    assertThat(journal.entries())
        .extracting(entry -> JournalReceiver.text(entry, "MESSAGE"))
        .containsExactly("one", "two");
  }

  @Test
  void carriesOutputThatComesInSingleBytes() {
    byte[] sent = RandomOutput.of(new Random(2), 3000);
    ByteBuffer one = ByteBuffer.allocateDirect(1);
    for (int i = 0; i < 3000; i++) {
      one.put(0, sent[i]).clear();
      assertThat(descriptors.write(writer, one)).isEqualTo(1);
      pump();
    }
    end();
    assertDelivered(Arrays.copyOf(sent, 3000));
  }

  static IntStream eachStep() {
    return IntStream.rangeClosed(1, 60);
  }

  @ParameterizedTest
  @MethodSource("eachStep")
  void losesAndDoublesNothingWhenKilledAfterAnyStep(int step) throws IOException {
    byte[] sent = RandomOutput.of(new Random(3), 300_000);
    stepsUntilKill = step;
    carry(sent, new Random(4));
    assertThat(kills).isEqualTo(1);
    assertDelivered(sent);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void losesAndDoublesNothingWhenKilledAgainAndAgain(long seed) throws IOException {
    Random random = new Random(seed);
    byte[] sent = RandomOutput.of(random, 1_000_000);
    while (kills < 50 && sent.length > 0) {
      stepsUntilKill = 1 + random.nextInt(8);
      int half = random.nextInt(Math.max(1, sent.length / 20));
      delivered.writeBytes(Arrays.copyOf(sent, half));
      write(Arrays.copyOf(sent, half), random, true);
      sent = Arrays.copyOfRange(sent, half, sent.length);
    }
    stepsUntilKill = Integer.MAX_VALUE;
    carry(sent, random);
    delivered.writeBytes(sent);
    assertThat(kills).isGreaterThan(10);
    assertDelivered(delivered.toByteArray());
  }

  private final ByteArrayOutputStream delivered = new ByteArrayOutputStream();

  @Test
  void goesOnInARenamedFileThatItWasKilledIn() throws IOException {
    writeAll("one\ntwo\n".getBytes(StandardCharsets.UTF_8));
    pump();
    // announced, half of it appended, killed, renamed
    killWith(Step.FILE_APPENDED, "three\nfour\n");
    try (RandomAccessFile file = new RandomAccessFile(logPath.toFile(), "rw")) {
      file.setLength(file.length() - 3);
    }
    abandonProcess();
    Path renamed = logPath.resolveSibling("0.log.20261123-080910");
    Files.move(logPath, renamed);
    restart();
    writeAll("five\n".getBytes(StandardCharsets.UTF_8));
    end();
    assertThat(CriLog.read(renamed))
        .extracting(CriLog.Line::string)
        .containsExactly("one", "two", "three");
    assertThat(CriLog.read(logPath))
        .extracting(CriLog.Line::string)
        .containsExactly("four", "five");
  }

  @Test
  void makesADeletedLogFileAgain() throws IOException {
    writeAll("one\n".getBytes(StandardCharsets.UTF_8));
    pump();
    Files.delete(logPath);
    writeAll("two\n".getBytes(StandardCharsets.UTF_8));
    pump();
    assertThat(CriLog.read(logPath)).extracting(CriLog.Line::string).containsExactly("two");
  }

  @Test
  void keepsTheSpoolSmallWhileItCarries() throws IOException {
    carry(RandomOutput.of(new Random(5), 3_000_000), new Random(6));
    assertThat(spoolBytesOnDisk()).isLessThan(2 * Workbench.CAPACITY);
  }

  @Test
  void readsNoMoreThanTheSpoolTakesWhileTheJournalIsStopped() {
    byte[] line = "x".repeat(999).concat("\n").getBytes(StandardCharsets.UTF_8);
    int written = 0;
    for (int i = 0; i < 5000; i++) {
      ByteBuffer buffer = ByteBuffer.allocateDirect(line.length).put(line).flip();
      if (descriptors.write(writer, buffer) == -Errno.EAGAIN) {
        break;
      }
      written++;
      StreamRelay current = stream;
      if (current != null) {
        current.readable();
        if (current.ready()) {
          current.pump();
        }
      }
    }
    assertThat(written).as("the container has to wait").isLessThan(5000);
    StreamRelay current = stream;
    assertThat(current != null && current.journalStuck()).isTrue();
    ByteArrayOutputStream expected = new ByteArrayOutputStream();
    for (int i = 0; i < written; i++) {
      expected.writeBytes(line);
    }
    end();
    assertDelivered(expected.toByteArray());
  }

  @Test
  void dropsWhatAStoppedJournalDoesNotTakeWhenThePolicySaysSo() {
    policy = OutputPolicy.DROP;
    abandonProcess();
    restart();
    int lines = 5000;
    for (int i = 0; i < lines; i++) {
      writeAll("%0999d%n".formatted(i).getBytes(StandardCharsets.UTF_8));
      StreamRelay current = current();
      current.readable();
      current.pump();
    }
    assertThat(current().journalStuck()).isTrue();
    assertThat(current().droppedForJournal()).as("told when the journal takes entries").isZero();
    end();
    assertThat(CriLog.read(logPath)).as("the file got all").hasSize(lines);
    List<Integer> arrived =
        journal.entries().stream()
            .flatMap(entry -> JournalReceiver.text(entry, "MESSAGE").lines())
            .map(Integer::valueOf)
            .toList();
    assertThat(arrived).as("whole lines").doesNotHaveDuplicates().isSorted().endsWith(lines - 1);
    assertThat(arrived.size()).isLessThan(lines);
    assertThat(current().droppedForJournal()).isEqualTo((lines - arrived.size()) * 1000L);
    assertThat(current().droppedForJournal()).as("told once").isZero();
  }

  @Test
  void dropsWhatAFullDiskDoesNotTakeWhenThePolicySaysSo() throws IOException {
    policy = OutputPolicy.DROP;
    abandonProcess();
    // a directory where the file should be: it cannot be opened, as on a read-only disk
    Files.createDirectories(logPath.resolve("in-the-way"));
    restart();
    int lines = 2000;
    for (int i = 0; i < lines; i++) {
      writeAll("%0999d%n".formatted(i).getBytes(StandardCharsets.UTF_8));
      StreamRelay current = current();
      current.readable();
      current.pump();
      journal.entries();
    }
    assertThat(current().stuckReason()).isPresent();
    Files.delete(logPath.resolve("in-the-way"));
    Files.delete(logPath);
    end();
    assertThat(journal.output(StreamKind.STDOUT)).as("the journal got all").hasSize(lines * 1000);
    List<CriLog.Line> inFile = CriLog.read(logPath);
    assertThat(inFile).extracting(CriLog.Line::string).last().isEqualTo("%0999d".formatted(1999));
    assertThat(current().droppedForFile()).isEqualTo((lines - inFile.size()) * 1000L).isPositive();
  }

  private StreamRelay current() {
    StreamRelay current = stream;
    if (current == null) {
      throw new IllegalStateException("not started");
    }
    return current;
  }

  private long spoolBytesOnDisk() throws IOException {
    Process du =
        new ProcessBuilder("du", "--block-size=1", directory.resolve("spool").toString()).start();
    String said = new String(du.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return Long.parseLong(said.split("\\s")[0]);
  }

  /** Writes all, pumps between, ends. */
  private void carry(byte[] bytes, Random random) {
    write(bytes, random, false);
    end();
  }

  private void write(byte[] bytes, Random random, boolean pumpOnce) {
    int at = 0;
    while (at < bytes.length) {
      int length =
          Math.min(bytes.length - at, 1 + random.nextInt(random.nextBoolean() ? 200 : 60_000));
      ByteBuffer chunk = ByteBuffer.allocateDirect(length).put(bytes, at, length).flip();
      int count = descriptors.write(writer, chunk);
      if (count > 0) {
        at += count;
      }
      if (count < 0 || random.nextInt(3) > 0) {
        pump();
      }
    }
    if (pumpOnce) {
      pump();
    }
  }

  private void writeAll(byte[] bytes) {
    assertThat(descriptors.write(writer, ByteBuffer.allocateDirect(bytes.length).put(bytes).flip()))
        .isEqualTo(bytes.length);
  }

  /** Pumps until there is nothing to do; takes what comes to the journal; restarts after a kill. */
  private void pump() {
    for (int round = 0; round < 10_000; round++) {
      StreamRelay current = stream;
      ContainerRelay owner = container;
      if (current == null || owner == null) {
        throw new IllegalStateException("not started");
      }
      try {
        if (round == 0) {
          current.readable();
        }
        assertThat(owner.settle()).isTrue();
        current.pump();
        journal.entries();
        if (!current.ready() && !current.journalStuck()) {
          return;
        }
      } catch (Killed killed) {
        kills++;
        abandonProcess();
        restart();
        if (ending) {
          finishStream();
        }
      }
    }
    throw new IllegalStateException("it never comes to rest");
  }

  private void killWith(Step wanted, String text) {
    killAfter = wanted;
    writeAll(text.getBytes(StandardCharsets.UTF_8));
    StreamRelay current = stream;
    if (current == null) {
      throw new IllegalStateException("not started");
    }
    current.readable();
    try {
      current.pump();
    } catch (Killed killed) {
      assertThat(killed.step).isEqualTo(wanted);
      killAfter = null;
      return;
    }
    throw new IllegalStateException("it was not killed");
  }

  private @Nullable Step killAfter;
  private boolean ending;

  private void end() {
    ending = true;
    descriptors.close(writer);
    finishStream();
    pump();
    StreamRelay current = stream;
    assertThat(current != null && current.finished()).isTrue();
  }

  private void finishStream() {
    StreamRelay current = stream;
    if (current != null) {
      current.finish();
    }
  }

  private void restart() {
    JournalSocket newSocket = new JournalSocket(directory.resolve("socket"));
    Spool newSpool = Spool.open(directory.resolve("spool"));
    LogFile newLog = new LogFile(logPath);
    StreamRelay newStream =
        new StreamRelay(
            StreamKind.STDOUT,
            false,
            descriptors.duplicate(keptFifo),
            newSpool,
            newLog,
            new StreamEntries(output, StreamKind.STDOUT),
            Workbench.at(newSocket, Clock.systemUTC(), this::step),
            policy);
    if (newStream.entryInDoubt()) {
      newStream.settleEntry(journal.lastSequence("c1", "stdout"));
    }
    socket = newSocket;
    spool = newSpool;
    log = newLog;
    stream = newStream;
    container = new ContainerRelay(output, newLog, List.of(newStream));
  }

  private void step(Step step) {
    if (step == killAfter || --stepsUntilKill == 0) {
      throw new Killed(step);
    }
  }

  /** The kernel closes what a killed process had open. */
  private void abandonProcess() {
    if (stream != null) {
      descriptors.close(stream.fifo());
      stream = null;
    }
    if (spool != null) {
      spool.close();
      spool = null;
    }
    if (log != null) {
      log.close();
      log = null;
    }
    if (socket != null) {
      socket.close();
      socket = null;
    }
  }

  private void assertDelivered(byte[] sent) {
    assertThat(CriLog.output(CriLog.read(logPath), "stdout")).isEqualTo(sent);
    byte[] ended = sent;
    if (sent[sent.length - 1] != '\n') {
      ended = Arrays.copyOf(sent, sent.length + 1);
      ended[sent.length] = '\n';
    }
    assertThat(journal.output(StreamKind.STDOUT)).isEqualTo(ended);
  }
}
