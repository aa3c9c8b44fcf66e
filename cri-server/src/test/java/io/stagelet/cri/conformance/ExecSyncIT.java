package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A command is run in a container, and its whole answer given back. */
@AlsoOnNspawn
class ExecSyncIT extends ConformanceSuite {
  private static final String UNKNOWN =
      "5f3a9c1e8b7d6054f3a9c1e8b7d60545f3a9c1e8b7d6054f3a9c1e8b7d60545f";
  private static final int MEGABYTE = 1_000_000;

  ExecSyncIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void bothOutputsAndTheExitCodeComeBackEachForItself() {
    ExecSyncResponse response =
        sharedPod().idleContainer().exec("sh", "-c", "echo out; echo err >&2; exit 9");

    assertThat(response.getStdout().toStringUtf8()).isEqualTo("out\n");
    assertThat(response.getStderr().toStringUtf8()).isEqualTo("err\n");
    assertThat(response.getExitCode()).isEqualTo(9);
  }

  @Test
  void bytesComeBackAsTheyAre() {
    byte[] all = new byte[256];
    IntStream.range(0, 256).forEach(i -> all[i] = (byte) i);
    String escapes =
        IntStream.range(0, 256)
            .mapToObj("\\%03o"::formatted)
            .collect(java.util.stream.Collectors.joining());

    assertThat(sharedPod().idleContainer().exec("printf", escapes).getStdout().toByteArray())
        .isEqualTo(all);
  }

  @Test
  void wordsArriveAsTheyAre() {
    assertThat(
            sharedPod()
                .idleContainer()
                .execText("printf", "%s|", "", "a b", "$HOME", "'\"\\", "%H", "ü"))
        .isEqualTo("|a b|$HOME|'\"\\|%H|ü|");
  }

  @Test
  void aCommandKilledBySignalNHasTheExitCode128PlusN() {
    assertThat(sharedPod().idleContainer().exec("sh", "-c", "kill -KILL $$").getExitCode())
        .isEqualTo(137);
  }

  @Test
  void itsStandardInputIsEmpty() {
    assertThat(sharedPod().idleContainer().exec("cat").getExitCode()).isZero();
  }

  @Test
  void itRunsAsTheContainerDoes() {
    TestContainer container =
        sharedPod()
            .container(images().furnished())
            .idle()
            .user(1234)
            .environment("COLOR", "red")
            .start();

    assertThat(container.execText("id", "-u")).isEqualTo("1234");
    assertThat(container.execText("id", "-g")).isEqualTo("2345");
    assertThat(container.execText("pwd")).isEqualTo("/home/app");
    assertThat(container.execText("sh", "-c", "echo $COLOR $SHAPE")).isEqualTo("red round");
  }

  @Test
  void itSeesTheContainersNamespaces() {
    TestContainer container = sharedPod().idleContainer();

    for (String namespace : List.of("mnt", "pid", "net", "ipc", "uts", "cgroup")) {
      assertThat(container.execText("readlink", "/proc/self/ns/" + namespace))
          .as(namespace)
          .isEqualTo(container.execText("readlink", "/proc/1/ns/" + namespace));
    }
  }

  @Test
  void itIsInTheContainersControlGroup() throws Exception {
    String seconds = NodeProcesses.markedSleep();
    String execSeconds = NodeProcesses.markedSleep();
    TestContainer container = sharedPod().container().shell("exec sleep " + seconds).start();
    String own = NodeProcesses.cgroup(container.awaitSleeping(seconds).getFirst());

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<ExecSyncResponse> exec = callers.submit(() -> container.exec("sleep", execSeconds));
      long pid = container.awaitSleeping(execSeconds).getFirst();

      assertThat(NodeProcesses.cgroup(pid)).startsWith(own);

      container.exec(
          "sh",
          "-c",
          "kill -KILL "
              + "$(ps | grep '[s]leep "
              + execSeconds
              + "' | sed 's/^ *//' | cut -d' ' -f1)");
      io.stagelet.linux.Command.of("kill", "-KILL", Long.toString(pid)).run();
      assertThat(exec.get().getExitCode()).isEqualTo(137);
    }
  }

  @Test
  void itsOutputIsNotInTheContainersLog() {
    TestContainer container =
        sharedPod().container().shell("echo mine; exec sleep 1000000").start();
    container.awaitLine();

    container.execText("echo", "not yours");

    assertThat(container.log().lines("stdout")).containsExactly("mine");
  }

  @Test
  void aCommandThatTakesTooLongIsKilledWithAllThatItStarted() {
    String first = NodeProcesses.markedSleep();
    String background = NodeProcesses.markedSleep();
    String session = NodeProcesses.markedSleep();
    TestContainer container = sharedPod().idleContainer();

    Status refusal =
        refusal(() ->
            container.exec(
                Duration.ofSeconds(2),
                "sh",
                "-c",
                "sleep %s & setsid sleep %s & sleep %s".formatted(background, session, first)));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    await()
        .atMost(Duration.ofSeconds(5))
        .untilAsserted(() -> {
          assertThat(NodeProcesses.sleeping(first)).isEmpty();
          assertThat(NodeProcesses.sleeping(background)).isEmpty();
          assertThat(NodeProcesses.sleeping(session)).isEmpty();
        });
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(container.execText("echo", "still here")).isEqualTo("still here");
  }

  @Test
  void aKilledCommandIsReapedInAContainerWhoseFirstProcessReapsNothing() {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = sharedPod().container().shell("exec sleep " + seconds).start();

    Status late =
        refusal(() -> container.exec(Duration.ofSeconds(1), "/bin/tail", "-f", "/dev/null"));

    assertThat(late.getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    assertThat(container.execText("ps")).doesNotContain("tail");
  }

  @Test
  void aCommandWithinItsTimeIsNotDisturbedByIt() {
    ExecSyncResponse response =
        sharedPod().idleContainer().exec(Duration.ofSeconds(30), "sh", "-c", "sleep 1; echo done");

    assertThat(response.getStdout().toStringUtf8()).isEqualTo("done\n");
    assertThat(response.getExitCode()).isZero();
  }

  @Test
  void ofALongOutputSixteenMegabytesAreKeptAndTheRestIsReadAndDropped() {
    ExecSyncResponse response =
        sharedPod()
            .idleContainer()
            .exec("sh", "-c", "head -c 40000000 /dev/zero; echo end >&2; exit 3");

    assertThat(response.getExitCode()).isEqualTo(3);
    assertThat(response.getStdout().size()).isBetween(15 * MEGABYTE, 16 << 20);
    assertThat(response.getStderr().toStringUtf8()).isEqualTo("end\n");
  }

  @Test
  @Timeout(60)
  void aChildThatIsLeftBehindWithTheOutputOpenDoesNotHoldTheAnswerBack() {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = sharedPod().idleContainer();

    ExecSyncResponse response =
        container.exec(
            Duration.ofSeconds(30), "sh", "-c", "setsid sleep " + seconds + " & echo done; exit 5");

    assertThat(response.getStdout().toStringUtf8()).isEqualTo("done\n");
    assertThat(response.getExitCode()).isEqualTo(5);
  }

  @Test
  void aCommandThatDoesNotExistIsRefusedByItsName() {
    Status refusal = refusal(() -> sharedPod().idleContainer().exec("/no/such/command"));

    assertThat(refusal.getDescription()).contains("/no/such/command");
  }

  @Test
  void nothingIsRunInAContainerThatIsNotRunning() {
    TestContainer created = sharedPod().container().idle().create();
    TestContainer exited = sharedPod().container().shell("true").runToItsEnd();

    refusal(() -> created.exec("true"));
    refusal(() -> exited.exec("true"));
  }

  @Test
  void nothingIsRunInAContainerThatIsNotKnown() {
    Status refusal = refusal(() -> cri().execSync(UNKNOWN, Duration.ZERO, List.of("true")));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void aCommandWithoutWordsIsRefused() {
    refusal(() -> sharedPod().idleContainer().exec());
  }

  @Test
  void aProbeCostsNoProcessBesidesTheRuntimesOwn() {
    stageletOnly("how few processes a command takes");
    TestContainer container = sharedPod().idleContainer();
    container.execText("true");
    int count = 50;

    // others of the node's start processes as well: least when they rest
    long made =
        LongStream.range(0, 3).map(round -> processesMadeBy(container, count)).min().orElseThrow();

    // crun, its child that joins the namespaces, and the command; runc is a Go program with its
    // threads, and starts itself anew
    long each = node().handler().name().equals("crun") ? 3 : 20;
    if (Runtime.getRuntime().availableProcessors() == 1) {
      // strace shows none more of the server's or the runtime's: one of somebody else's at each
      each++;
    }
    assertThat(made).as("processes and threads").isBetween((long) count, each * count + count / 2);
  }

  private static long processesMadeBy(TestContainer container, int count) {
    long before = newestProcess();
    for (int i = 0; i < count; i++) {
      container.execText("true");
    }
    return newestProcess() - before;
  }

  /** Processes and threads are numbered one after the other. */
  private static long newestProcess() {
    return Long.parseLong(Command.of("sh", "-c", "echo $$").runChecked().text().strip());
  }

  @Test
  void manyCommandsAtOnceAllAnswer() throws Exception {
    TestContainer container = sharedPod().idleContainer();

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> answers =
          IntStream.range(0, 20)
              .mapToObj(i -> callers.submit(() -> container.execText("echo", "answer " + i)))
              .toList();
      for (int i = 0; i < answers.size(); i++) {
        assertThat(answers.get(i).get()).isEqualTo("answer " + i);
      }
    }
  }

  @Test
  void noZombieIsLeftInTheContainer() {
    TestContainer container = sharedPod().idleContainer();

    for (int i = 0; i < 5; i++) {
      container.execText("true");
    }

    assertThat(container.execText("sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"))
        .isEqualTo("0");
  }
}
