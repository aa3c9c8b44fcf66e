package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.stagelet.cri.streaming.CommandClient;
import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.cri.v1.PodSandboxStatus;
import io.stagelet.linux.Command;
import io.stagelet.linux.DurableFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/** The server is killed with SIGKILL and started again: pods and containers do not mind. */
class RestartIT extends RestartingSuite {
  private static final int MOMENTS = 2;

  RestartIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void aContainerLivesOnAndIsAsItWasAfterwards() {
    TestPod pod = pods().run();
    TestContainer container =
        pod.container()
            .shell(
                """
                trap 'exit 7' TERM
                n=0
                while :; do
                  for i in 1 2 3 4 5 6 7 8 9 10; do n=$((n + 1)); echo line $n; done
                  sleep 0.02
                done
                """)
            .start();
    container.awaitOutput(100);
    PodSandboxStatus podBefore = pod.status();
    ContainerStatus before = container.status();

    server().kill();
    int whileDown = container.log().entries().size();
    startAgain();

    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
    assertThat(pod.status()).isEqualTo(podBefore);
    assertThat(pod.containers()).extracting(Container::getId).containsExactly(container.id());
    assertThat(container.status()).isEqualTo(before);
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
    container.awaitOutput(whileDown + 500);
    container.stop(Duration.ofSeconds(20));
    assertThat(container.status().getExitCode()).isEqualTo(7);
    List<String> lines = container.log().lines("stdout");
    assertThat(lines)
        .isEqualTo(IntStream.rangeClosed(1, lines.size()).mapToObj(i -> "line " + i).toList());
    container.remove();
    pod.stop();
    pod.remove();
    assertThat(pods().known()).isEmpty();
  }

  /**
   * A million lines or more, with one runtime, and a tenth with others: the containers write
   * without a pause until the server was killed twice and journald was restarted in between.
   */
  @Test
  void everyLineOfTenContainersComesOnceWhileTheServerAndJournaldAreStartedAnew()
      throws IOException {
    TestPod pod = pods().run();
    Path folder = Files.createTempDirectory("stagelet-restart-");
    int chunk = node().handler().equals(server().handlers().getFirst()) ? 10_000 : 1_000;
    try {
      List<TestContainer> containers = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        containers.add(
            pod.container()
                .shell(
                    """
                    until [ -e /test/go ]; do sleep 0.05; done
                    i=0
                    until [ $i -ge 10 ] && [ -e /test/enough ]; do
                      seq $((i * %1$d + 1)) $((i * %1$d + %1$d)); i=$((i + 1))
                    done
                    """
                        .formatted(chunk))
                .with(config ->
                    config.addMounts(
                        Mount.newBuilder()
                            .setHostPath(folder.toString())
                            .setContainerPath("/test")))
                .start());
      }
      Files.writeString(folder.resolve("go"), "");
      awaitBytes(containers.get(1), 10L * chunk);
      server().kill();
      startAgain();
      awaitBytes(containers.get(2), 100L * chunk);
      Command.of("systemctl", "restart", "systemd-journald").runChecked();
      awaitBytes(containers.get(3), 200L * chunk);
      server().kill();
      startAgain();
      awaitBytes(containers.get(4), 250L * chunk);
      Files.writeString(folder.resolve("enough"), "");
      int all = 0;
      for (TestContainer container : containers) {
        assertThat(container.awaitEnd().getExitCode()).isZero();
        List<String> lines = container.log().lines("stdout");
        assertThat(lines).isEqualTo(numbers(lines.size()));
        assertThat(journalOf(container)).isEqualTo(lines);
        assertThat(lines.size() % chunk).as("whole rounds").isZero();
        all += lines.size();
      }
      assertThat(all).isGreaterThanOrEqualTo(100 * chunk);
    } finally {
      DurableFiles.deleteTree(folder);
    }
  }

  private static List<String> numbers(int upTo) {
    return IntStream.rangeClosed(1, upTo).mapToObj(Integer::toString).toList();
  }

  /** The log file has some forty bytes for each line. */
  private static void awaitBytes(TestContainer container, long size) {
    await("%d bytes in %s".formatted(size, container.logFile()))
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(5))
        .until(() -> Files.exists(container.logFile()) && Files.size(container.logFile()) >= size);
  }

  private static List<String> journalOf(TestContainer container) {
    Command.of("journalctl", "--sync").runChecked();
    return Command.of(
            "journalctl",
            "--quiet",
            "--all",
            "--output=cat",
            "CONTAINER_ID_FULL=" + container.id(),
            "STREAM=stdout")
        .withOutputLimit(64 << 20)
        .withDeadline(Duration.ofSeconds(60))
        .runChecked()
        .text()
        .lines()
        .toList();
  }

  @Test
  void aTerminalIsSpokenToAndItsOutputIsLoggedAsBefore() throws IOException {
    TestContainer container =
        pods()
            .run()
            .container()
            .shell(
                """
                n=0
                while :; do n=$((n + 1)); echo tick $n; sleep 0.05; done &
                while read line; do echo heard $line; done
                """)
            .with(config -> config.setStdin(true).setTty(true))
            .start();
    spokenTo(container, "one");
    List<String> before = loggedOnTerminal(container);

    server().kill();
    startAgain();

    spokenTo(container, "two");
    List<String> after = loggedOnTerminal(container);
    assertThat(after).startsWith(before.toArray(String[]::new)).contains("heard two");
    List<String> ticks = after.stream().filter(line -> line.startsWith("tick ")).toList();
    assertThat(ticks)
        .as("nothing is lost, also of what was written while there was no server")
        .isEqualTo(IntStream.rangeClosed(1, ticks.size()).mapToObj(i -> "tick " + i).toList());
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  private static void spokenTo(TestContainer container, String word) {
    try (CommandClient client =
        container.attach(
            CommandClient.Protocol.WEBSOCKET_5, new CommandClient.Wish(true, true, false, true))) {
      client.input((word + "\n").getBytes(StandardCharsets.UTF_8));
      await()
          .atMost(Duration.ofSeconds(30))
          .until(
              () -> new String(client.soFar(1), StandardCharsets.UTF_8).contains("heard " + word));
    }
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> loggedOnTerminal(container).contains("heard " + word));
  }

  /** A terminal ends its lines with carriage return and line feed. */
  private static List<String> loggedOnTerminal(TestContainer container) throws IOException {
    String log = Files.readString(container.logFile());
    return log.substring(0, log.lastIndexOf('\n') + 1)
        .lines()
        .map(line -> line.split(" ", 4)[3].stripTrailing())
        .toList();
  }

  @Test
  void theCodeOfAContainerThatEndedMeanwhileIsRight() {
    TestPod pod = pods().run();
    String withCode = NodeProcesses.markedSleep();
    String bySignal = NodeProcesses.markedSleep();
    TestContainer exits =
        pod.container().shell("sleep " + withCode + "; echo last words; exit 7").start();
    TestContainer killed = pod.container().shell("exec sleep " + bySignal).start();
    List<Long> sleeper = exits.awaitSleeping(withCode);
    List<Long> victim = killed.awaitSleeping(bySignal);
    long startedAt = exits.status().getStartedAt();

    server().kill();
    kill(sleeper);
    kill(victim);
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() ->
            NodeProcesses.sleeping(withCode).isEmpty()
                && NodeProcesses.sleeping(bySignal).isEmpty());
    startAgain();

    assertThat(exits.awaitEnd().getExitCode()).isEqualTo(7);
    assertThat(exits.status().getReason()).isEqualTo("Error");
    assertThat(exits.status().getStartedAt()).isEqualTo(startedAt);
    assertThat(exits.status().getFinishedAt()).isGreaterThan(startedAt);
    assertThat(exits.log().lines("stdout")).containsExactly("last words");
    assertThat(killed.awaitEnd().getExitCode()).isEqualTo(137);
    assertThat(
            StageletCommand.run(
                "story",
                "%s/%s"
                    .formatted(
                        pod.config().getMetadata().getNamespace(),
                        pod.config().getMetadata().getName())))
        .as("what the new server found, in the pod's story")
        .anyMatch(line -> line.contains("has ended with exit code 137"));
    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
  }

  @Test
  void aContainerThatWasCreatedIsStartedAfterwards() {
    TestPod pod = pods().run();
    TestContainer container = pod.container().shell("echo hello").create();

    server().kill();
    startAgain();

    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
    container.start();
    assertThat(container.awaitEnd().getExitCode()).isZero();
    assertThat(container.awaitOutput(1)).containsExactly("hello");
  }

  @Test
  void aSandboxWhoseUnitWasStoppedMeanwhileIsNotReadyAndCanBeRemoved() {
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();
    String unit = unitOf(pod);

    server().kill();
    Command.of("systemctl", "stop", unit).runChecked();
    startAgain();

    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    assertThat(container.awaitEnd().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    pod.stop();
    pod.remove();
    assertThat(pods().known()).isEmpty();
  }

  @Test
  void podsLiveOnWhileTheirRuntimeIsNotThere() throws IOException {
    TestPod pod = pods().run();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = pod.container().shell("exec sleep " + seconds).start();
    List<Long> process = container.awaitSleeping(seconds);
    TestContainer stopped = pod.idleContainer();
    String configuration = Files.readString(server().configuration());

    server().kill();
    try {
      Files.writeString(
          server().configuration(),
          node().handler().equals(Handler.NSPAWN)
              ? configuration.replace(
                  "[handlers.nspawn]\n", "[handlers.nspawn]\nboot = \"/nonexistent/runtime\"\n")
              : configuration.replaceAll(
                  "(?<=\\[handlers\\.%s]\nstage1 = \"oci\"\nruntime = \")[^\"]*"
                      .formatted(node().handler().name()),
                  "/nonexistent/runtime"));
      startAgain();
      assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
      assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
      assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
      assertThat(NodeProcesses.sleeping(seconds)).isEqualTo(process);
      assertThat(refusal(() -> container.exec("true")).getDescription())
          .contains("/nonexistent/runtime");
      assertThat(refusal(() -> pod.container().idle().create()).getDescription())
          .contains("/nonexistent/runtime");
      assertThat(refusal(pods()::run).getDescription()).contains("/nonexistent/runtime");
      stopped.stop(Duration.ofSeconds(20));
      assertThat(stopped.awaitEnd().getExitCode()).isZero();
      stopped.remove();
      server().kill();
    } finally {
      Files.writeString(server().configuration(), configuration);
    }
    startAgain();

    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
    assertThat(NodeProcesses.sleeping(seconds)).isEqualTo(process);
  }

  @RepeatedTest(MOMENTS)
  void runPodSandboxIsRepeatedAfterTheServerWasKilledInIt() throws Exception {
    PodSandboxConfig config = pods().config(change -> change);

    killedIn(() -> cri().runPodSandbox(config, node().handler()));

    TestPod pod = pods().run(config);
    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(pod.ip()).isNotEmpty();
  }

  @RepeatedTest(MOMENTS)
  void createContainerIsRepeatedAfterTheServerWasKilledInIt() throws Exception {
    TestPod pod = pods().run();
    node().pulled(images().busybox());
    ContainerBuilder builder = pod.container().idle();

    killedIn(builder::create);

    TestContainer container = builder.create();
    assertThat(pod.containers()).extracting(Container::getId).containsExactly(container.id());
    container.start();
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  @RepeatedTest(MOMENTS)
  void startContainerIsRepeatedAfterTheServerWasKilledInIt() throws Exception {
    TestPod pod = pods().run();
    TestContainer container = pod.container().idle().create();

    killedIn(container::start);

    container.start();
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
  }

  /** Makes a call, kills the server some time after it began, and starts the server again. */
  private void killedIn(Runnable call) throws Exception {
    int milliseconds = ThreadLocalRandom.current().nextInt(150);
    try (ExecutorService caller = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<?> cut =
          caller.submit(() -> {
            try {
              call.run();
            } catch (StatusRuntimeException lost) {
              assertThat(lost.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
            }
          });
      Thread.sleep(milliseconds);
      server().kill();
      cut.get();
    }
    startAgain();
  }

  private static String unitOf(TestPod pod) {
    return Command.of("systemctl", "list-units", "--plain", "--no-legend", "pod-*")
        .runChecked()
        .text()
        .lines()
        .map(line -> line.split(" +", 2)[0])
        .filter(unit -> unit.contains(pod.id().substring(0, 12)))
        .findFirst()
        .orElseThrow();
  }

  private static void kill(List<Long> pids) {
    pids.forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());
  }
}
