package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.StatusRuntimeException;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Command;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What containers write, as it is in the journal: fields, policies, and reading it. */
class PodJournalIT extends ConformanceSuite {
  private static final Duration LONG = Duration.ofSeconds(150);
  private static final int MANY = 200_000;
  private static final String WAIT_AND_COUNT =
      "while [ ! -e /go ]; do sleep 0.05; done; seq %d".formatted(MANY);

  /** As systemd.time(7) has it. */
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSSSSS 'UTC'").withZone(ZoneOffset.UTC);

  PodJournalIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void onlyOurs() {
    stageletOnly("output is in the journal");
  }

  @Test
  void aLabelThatTheConfigurationListsIsAField() {
    TestPod pod =
        pods()
            .run(
                Pods.withLabels(
                    Map.of(StageletRuntime.FIELD_LABEL, "shop", "another", "not listed")));
    pod.container().shell("echo hello").runToItsEnd();

    assertThat(
            journal(
                "K8S_POD_UID=" + uid(pod),
                "K8S_LABEL_APP_KUBERNETES_IO_NAME=shop",
                "STREAM=stdout"))
        .containsExactly("hello");
    assertThat(journal("--output=export", "K8S_POD_UID=" + uid(pod), "STREAM=stdout"))
        .noneMatch(line -> line.startsWith("K8S_LABEL_ANOTHER"));
  }

  @Test
  void aLineHasTheFieldsThatAreDocumented() {
    TestPod pod = pods().run();
    TestContainer container =
        pod.container()
            .with(config -> config.getMetadataBuilder().setName("app").setAttempt(3))
            .shell("echo hello; echo wrong >&2; head -c 100000 /dev/zero | tr '\\0' x; echo")
            .runToItsEnd();
    String id = container.id();
    PodSandboxMetadata metadata = pod.config().getMetadata();
    String unit =
        "ctr-%s-%s-app-%s.service"
            .formatted(metadata.getNamespace(), metadata.getName(), id.substring(0, 12));

    assertThat(journal("--output=export", "CONTAINER_ID_FULL=" + id, "PRIORITY=3"))
        .contains(
            "MESSAGE=wrong",
            "STREAM=stderr",
            "SYSLOG_IDENTIFIER=app",
            "CONTAINER_NAME=app",
            "CONTAINER_ID=" + id.substring(0, 12),
            "IMAGE_NAME=" + container.config().getImage().getUserSpecifiedImage(),
            "K8S_NAMESPACE_NAME=" + metadata.getNamespace(),
            "K8S_POD_NAME=" + metadata.getName(),
            "K8S_POD_UID=" + metadata.getUid(),
            "K8S_CONTAINER_NAME=app",
            "K8S_CONTAINER_ATTEMPT=3",
            "POD_ID=" + pod.id(),
            "OBJECT_SYSTEMD_UNIT=" + unit);
    assertThat(journal("CONTAINER_ID_FULL=" + id, "PRIORITY=6", "STREAM=stdout"))
        .first()
        .isEqualTo("hello");
    assertThat(journal("--unit=" + unit, "STREAM=stdout", "STREAM=stderr"))
        .as("what journalctl finds by the unit")
        .contains("hello", "wrong");
    assertThat(journal("CONTAINER_ID_FULL=" + id, "CONTAINER_PARTIAL_MESSAGE=true"))
        .as("the long line's parts but the last")
        .isNotEmpty()
        .allMatch(part -> part.matches("x+"));
  }

  @Test
  void containersHaveAJournalOfTheirOwnWhereTheConfigurationSaysSo() throws IOException {
    StageletRuntime server = (StageletRuntime) node().runtime();
    String usual = Files.readString(server.configuration());
    try {
      Files.writeString(
          server.configuration(),
          usual.replace("[output]\n", "[output]\njournal-namespace = \"conformance\"\n"));
      restart(server);
      TestPod pod = pods().run();
      TestContainer container = pod.container().shell("echo apart").runToItsEnd();
      container.awaitLine();
      // the namespace's journald is only started by the first entry
      await()
          .atMost(LONG)
          .untilAsserted(() -> {
            assertThat(
                    Command.of("journalctl", "--namespace=conformance", "--sync").run().exitCode())
                .isZero();
            assertThat(journal("--namespace=conformance", "CONTAINER_ID_FULL=" + container.id()))
                .containsExactly("apart");
          });
      assertThat(journal("CONTAINER_ID_FULL=" + container.id(), "STREAM=stdout")).isEmpty();
      String[] ours = {"--journal-namespace", "conformance"};
      assertThat(StageletCommand.run("logs", reference(pod), ours[0], ours[1]))
          .containsExactly("apart");
      assertThat(StageletCommand.run("story", reference(pod), ours[0], ours[1]))
          .anyMatch(line -> line.endsWith("apart"))
          .anyMatch(line -> line.contains("has ended with exit code 0"));
      pods().removeAll();
    } finally {
      Files.writeString(server.configuration(), usual);
      restart(server);
      Command.of("systemctl", "stop", "stagelet-journal-conformance.service").run();
    }
  }

  private void restart(StageletRuntime server) {
    server.kill();
    server.startAgain();
    cri().channel().resetConnectBackoff();
    await("an answer of the server")
        .atMost(LONG)
        .ignoreExceptionsInstanceOf(StatusRuntimeException.class)
        .until(() -> !cri().version().getRuntimeName().isEmpty());
  }

  @Test
  void aLineHasItsOwnPriorityWhereThePodsAnnotationSaysSo() {
    TestPod pod =
        pods().run(config -> config.putAnnotations("stagelet.io/log-priority-prefix", "true"));
    TestContainer container =
        pod.container().shell("echo '<4>careful'; echo plain; echo '<2>bad' >&2").runToItsEnd();

    assertThat(journal("K8S_POD_UID=" + uid(pod), "PRIORITY=4", "STREAM=stdout"))
        .containsExactly("careful");
    assertThat(journal("K8S_POD_UID=" + uid(pod), "PRIORITY=6", "STREAM=stdout"))
        .containsExactly("plain");
    assertThat(journal("K8S_POD_UID=" + uid(pod), "PRIORITY=2", "STREAM=stderr"))
        .containsExactly("bad");
    assertThat(container.log().lines("stdout")).containsExactly("<4>careful", "plain");
  }

  @Test
  void aPrefixIsPartOfTheLineOtherwise() {
    TestPod pod = pods().run();
    pod.container().shell("echo '<4>careful'").runToItsEnd();

    assertThat(journal("K8S_POD_UID=" + uid(pod), "PRIORITY=6", "STREAM=stdout"))
        .containsExactly("<4>careful");
  }

  @Test
  void followedLogsGoOnWithWhatComes() throws Exception {
    TestPod pod = pods().run();
    TestContainer container =
        pod.container()
            .shell(
                "echo early; while [ ! -e /go ]; do sleep 0.05; done; echo late; exec sleep 1000000")
            .start();
    container.awaitLine();
    Process following = StageletCommand.start("logs", reference(pod), "--follow");
    try {
      Queue<String> shown = new ConcurrentLinkedQueue<>();
      Thread reader = Thread.startVirtualThread(() -> collect(following, shown));
      await().atMost(LONG).until(() -> shown.contains("early"));
      container.execText("touch", "/go");
      await().atMost(LONG).until(() -> shown.contains("late"));
      assertThat(shown).containsExactly("early", "late");
      following.destroy();
      assertThat(reader.join(LONG)).isTrue();
    } finally {
      following.destroyForcibly();
    }
  }

  @Test
  void aFollowedStoryGoesOnWithWhatComes() throws Exception {
    TestPod pod = pods().run();
    Process following = StageletCommand.start("story", reference(pod), "--follow");
    try {
      Queue<String> shown = new ConcurrentLinkedQueue<>();
      Thread reader = Thread.startVirtualThread(() -> collect(following, shown));
      await().atMost(LONG).until(() -> said(shown, "RunPodSandbox is done"));
      TestContainer container = pod.container().shell("echo hello; exit 3").runToItsEnd();
      await().atMost(LONG).until(() -> said(shown, "has ended with exit code 3"));
      assertThat(shown)
          .containsSubsequence(
              shown.stream()
                  .filter(line -> line.contains("StartContainer was asked"))
                  .toList()
                  .getFirst(),
              shown.stream().filter(line -> line.endsWith(" stdout: hello")).toList().getFirst());
      assertThat(container.status().getExitCode()).isEqualTo(3);
      following.destroy();
      assertThat(reader.join(LONG)).isTrue();
    } finally {
      following.destroyForcibly();
    }
  }

  private static boolean said(Queue<String> shown, String words) {
    return shown.stream().anyMatch(line -> line.contains(words));
  }

  @Test
  void logsSinceAMomentLeaveOutWhatIsOlder() {
    TestPod pod = pods().run();
    TestContainer container =
        pod.container()
            .shell(
                "echo early; while [ ! -e /go ]; do sleep 0.05; done; echo late; exec sleep 1000000")
            .start();
    await()
        .atMost(LONG)
        .until(() -> journal("K8S_POD_UID=" + uid(pod), "STREAM=stdout").equals(List.of("early")));
    String moment = TIME.format(Instant.now());
    container.execText("touch", "/go");
    container.awaitOutput(2);

    assertThat(StageletCommand.run("logs", reference(pod))).containsExactly("early", "late");
    assertThat(StageletCommand.run("logs", reference(pod), "--since", moment))
        .containsExactly("late");
    assertThat(StageletCommand.run("logs", reference(pod), "--since", "1h"))
        .containsExactly("early", "late");
  }

  @Test
  void otherLevelsHoldAfterAReload() throws IOException {
    StageletRuntime server = (StageletRuntime) node().runtime();
    String usual = Files.readString(server.configuration());
    int changes = levelChanges();
    int told = versionCallsTold();
    try {
      Files.writeString(server.configuration(), usual + "\n[log]\nlevel = \"debug\"\n");
      server.reload();
      await().atMost(LONG).until(() -> levelChanges() == changes + 1);
      assertThat(cri().version().getRuntimeName()).isNotEmpty();
      // asked for, and answered
      await().atMost(LONG).until(() -> versionCallsTold() == told + 2);
    } finally {
      Files.writeString(server.configuration(), usual);
      server.reload();
    }
    await().atMost(LONG).until(() -> levelChanges() == changes + 2);
    assertThat(cri().version().getRuntimeName()).isNotEmpty();
    assertThat(versionCallsTold()).isEqualTo(told + 2);
  }

  private static int levelChanges() {
    return journal("MESSAGE_ID=" + StoryEvent.LEVELS_CHANGED.id()).size();
  }

  private static int versionCallsTold() {
    return journal("CRI_CALL=Version", "PRIORITY=7").size();
  }

  @Test
  void aStoppedJournaldHoldsTheContainerUpAndNothingIsLost() {
    TestPod pod = pods().run();
    TestContainer container = pod.container().shell(WAIT_AND_COUNT).start();
    container.execText("touch", "/before");
    int told = timesBehind();
    double stalls = metric("stagelet_relay_stalls_total");
    stopJournald();
    try {
      container.execText("touch", "/go");
      container.awaitOutput(1000);
      await()
          .during(Duration.ofSeconds(1))
          .atMost(LONG)
          .until(() -> container.status().getState() == ContainerState.CONTAINER_RUNNING);
      assertThat(container.log().lines("stdout")).hasSizeLessThan(MANY);
      await().atMost(LONG).until(() -> metric("stagelet_relay_waiting_streams") == 1);
    } finally {
      continueJournald();
    }
    container.awaitEnd();
    assertThat(container.awaitOutput(MANY)).isEqualTo(numbers());
    assertThat(journal("CONTAINER_ID_FULL=" + container.id(), "STREAM=stdout"))
        .isEqualTo(numbers());
    await().atMost(LONG).until(() -> metric("stagelet_relay_waiting_streams") == 0);
    assertThat(metric("stagelet_relay_stalls_total")).isGreaterThan(stalls);
    await().atMost(LONG).until(() -> timesBehind() > told);
  }

  private static int timesBehind() {
    return journal("MESSAGE_ID=" + StoryEvent.JOURNAL_WAS_BEHIND.id()).size();
  }

  private double metric(String name) {
    String control =
        ((StageletRuntime) node().runtime()).runFolder().resolve("control.sock").toString();
    return StageletCommand.ask("metrics", "--control", control).stream()
        .filter(line -> line.startsWith(name + " "))
        .map(line -> Double.parseDouble(line.substring(name.length() + 1)))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aHandlerThatDropsNeverHoldsTheContainerUpAndSaysWhatIsMissing() {
    PodSandboxConfig config = pods().config(change -> change);
    TestPod pod =
        new TestPod(pods(), cri().runPodSandbox(config, StageletRuntime.DROPPING), config);
    TestContainer container = pod.container().shell(WAIT_AND_COUNT).start();
    stopJournald();
    try {
      container.execText("touch", "/go");
      assertThat(container.awaitEnd().getExitCode()).isZero();
      assertThat(container.awaitOutput(MANY)).isEqualTo(numbers());
    } finally {
      continueJournald();
    }
    await()
        .atMost(LONG)
        .untilAsserted(() ->
            assertThat(
                    journal(
                        "CONTAINER_ID_FULL=" + container.id(),
                        "MESSAGE_ID=" + StoryEvent.OUTPUT_DROPPED.id()))
                .singleElement()
                .asString()
                .contains("are missing in the journal"));
    List<String> kept = journal("CONTAINER_ID_FULL=" + container.id(), "STREAM=stdout");
    assertThat(kept).hasSizeBetween(100, MANY - 1000).startsWith("1", "2", "3");
    assertThat(numbers()).as("whole lines in order").containsSubsequence(kept);
  }

  private static void stopJournald() {
    Command.of("systemctl", "kill", "--signal=STOP", "systemd-journald").runChecked();
  }

  private static void continueJournald() {
    Command.of("systemctl", "kill", "--signal=CONT", "systemd-journald").runChecked();
  }

  private static void collect(Process process, Queue<String> lines) {
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      reader.lines().forEach(lines::add);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  private static List<String> numbers() {
    return IntStream.rangeClosed(1, MANY).mapToObj(Integer::toString).toList();
  }

  private static String uid(TestPod pod) {
    return pod.config().getMetadata().getUid();
  }

  private static String reference(TestPod pod) {
    return pod.config().getMetadata().getNamespace() + "/" + pod.config().getMetadata().getName();
  }

  /** The lines that journalctl prints: messages, unless it is told otherwise. */
  private static List<String> journal(String... arguments) {
    Command.of("journalctl", "--sync").runChecked();
    List<String> command =
        new ArrayList<>(List.of("journalctl", "--quiet", "--all", "--output=cat"));
    command.addAll(List.of(arguments));
    return Command.of(command)
        .withOutputLimit(64 << 20)
        .withDeadline(LONG)
        .runChecked()
        .text()
        .lines()
        .toList();
  }
}
