package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/** What does not fit together is said, and brought in order: at a start, and on demand. */
class RecoveryIT extends RestartingSuite {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String NOBODY = "0123456789ab".repeat(5) + "0123";

  RecoveryIT(NodeUnderTest node) {
    super(node);
  }

  private Path record(String kind, String id) {
    return server().root().resolve(kind).resolve(id).resolve("record.json");
  }

  private Path copy(String kind, String id) {
    return server().runFolder().resolve("records").resolve(kind).resolve(id + ".json");
  }

  private static JsonNode report(Command.Outcome check) throws IOException {
    try {
      return JSON.readTree(check.output());
    } catch (IOException notJson) {
      throw new IOException("stagelet check said: " + check.text() + check.complaint(), notJson);
    }
  }

  private static List<String> subjects(JsonNode report, String kind) {
    return StreamSupport.stream(report.path("findings").spliterator(), false)
        .filter(finding -> finding.path("kind").asText().equals(kind))
        .map(finding -> finding.path("subject").asText())
        .toList();
  }

  @Test
  void aNodeInOrderIsSaidToBe() throws IOException {
    TestPod pod = pods().run();
    pod.idleContainer();

    Command.Outcome check = server().check();

    assertThat(report(check).path("findings")).isEmpty();
    assertThat(report(check).path("consistent").asBoolean()).isTrue();
    assertThat(check.exitCode()).isZero();
  }

  @Test
  void aDamagedRecordIsMadeGoodFromItsCopy() throws IOException {
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();
    server().kill();
    Files.writeString(record("sandboxes", pod.id()), "{\"plan\": {\"id\"");
    Files.write(record("containers", container.id()), new byte[4096]);

    startAgain();

    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
    assertThat(report(server().check()).path("findings")).isEmpty();
  }

  @Test
  void whatNobodyKnowsAnyMoreRunsOnUntilItIsRepaired() throws IOException {
    TestPod pod = pods().run();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = pod.container().shell("exec sleep " + seconds).start();
    List<Long> process = container.awaitSleeping(seconds);
    server().kill();
    for (Path lost : List.of(copy("sandboxes", pod.id()), copy("containers", container.id()))) {
      Files.delete(lost);
    }
    Files.writeString(record("sandboxes", pod.id()), "");
    Files.writeString(record("containers", container.id()), "null");

    startAgain();

    assertThat(pods().known()).isEmpty();
    assertThat(NodeProcesses.sleeping(seconds)).isEqualTo(process);
    Command.Outcome check = server().check();
    assertThat(check.exitCode()).isEqualTo(1);
    assertThat(subjects(report(check), "record-set-aside"))
        .containsExactlyInAnyOrder(pod.id(), container.id());

    Command.Outcome repaired = server().check("--repair");

    assertThat(repaired.exitCode()).as(repaired.text()).isZero();
    await().untilAsserted(() -> assertThat(NodeProcesses.sleeping(seconds)).isEmpty());
    assertThat(report(server().check()).path("findings")).isEmpty();
  }

  @Test
  void whatBelongsToNobodyIsFoundWhileTheServerRunsAndRemovedOnDemand() throws IOException {
    String unit = "ctr-no-such-pod-%s.service".formatted(NOBODY.substring(0, 12));
    String seconds = NodeProcesses.markedSleep();
    Path directory = server().runFolder().resolve("containers").resolve(NOBODY);
    Command.of("systemd-run", "--quiet", "--unit=" + unit, "/bin/sleep", seconds).runChecked();
    try {
      Files.createDirectories(directory.resolve("rootfs"));
      Command.of("mount", "-t", "tmpfs", "none", directory.resolve("rootfs").toString())
          .runChecked();

      JsonNode found = report(server().check());
      assertThat(subjects(found, "unknown-unit")).containsExactly(unit);
      assertThat(subjects(found, "leftover")).containsExactly(directory.toString());

      Command.Outcome repaired = server().check("--repair");
      assertThat(repaired.exitCode()).as(repaired.text()).isZero();
      assertThat(directory).doesNotExist();
      await().untilAsserted(() -> assertThat(NodeProcesses.sleeping(seconds)).isEmpty());
    } finally {
      Command.of("systemctl", "stop", unit).run();
      Command.of("umount", directory.resolve("rootfs").toString()).run();
    }
  }

  @Test
  void anAddressOfASandboxThatNobodyKnowsIsFreed() throws IOException {
    pods().run();
    Path lease = Path.of("/var/lib/cni/networks/conformance/10.222.77.7");
    Files.writeString(lease, NOBODY + "\r\neth0");
    try {
      assertThat(subjects(report(server().check()), "lease")).containsExactly(lease.toString());

      Command.Outcome repaired = server().check("--repair");

      assertThat(repaired.exitCode()).as(repaired.text()).isZero();
      assertThat(lease).doesNotExist();
    } finally {
      Files.deleteIfExists(lease);
    }
  }

  @Test
  void anAddressThatAKilledPluginTookForNobodyIsFreed() throws IOException {
    pods().run();
    Path lease = Path.of("/var/lib/cni/networks/conformance/10.222.77.7");
    Files.createFile(lease);
    try {
      assertThat(subjects(report(server().check()), "lease-cut-off"))
          .containsExactly(lease.toString());

      server().kill();
      startAgain();

      assertThat(lease).doesNotExist();
      assertThat(report(server().check()).path("findings")).isEmpty();
    } finally {
      Files.deleteIfExists(lease);
    }
  }

  @Test
  void aNetworkThatIsNotAsItWasMadeIsSaid() throws IOException {
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();
    String pid =
        Command.of("systemctl", "show", "--property=MainPID", "--value", unitOf(container))
            .runChecked()
            .text()
            .strip();
    Command.of("nsenter", "-t", pid, "-n", "ip", "address", "flush", "dev", "eth0").runChecked();

    Command.Outcome check = server().check();

    assertThat(subjects(report(check), "network")).containsExactly("sandbox " + pod.id());
    assertThat(check.exitCode()).isEqualTo(1);

    assertThat(server().check("--repair").exitCode()).isEqualTo(1);
    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    Command.Outcome ended = server().check("--end-broken");

    assertThat(ended.exitCode()).as(ended.text()).isZero();
    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    assertThat(container.awaitEnd().getExitCode()).isEqualTo(137);
    assertThat(report(server().check()).path("findings")).isEmpty();
  }

  @Test
  void aRecordThatSaysOtherwiseThanTheServerIsWrittenAnewOnDemand() throws IOException {
    TestPod pod = pods().run();
    TestContainer container = pod.container().idle().create();
    Path record = record("containers", container.id());
    byte[] created = Files.readAllBytes(record);
    container.start();
    Files.write(record, created);
    assertThat(subjects(report(server().check()), "state")).hasSize(1);

    Command.Outcome repaired = server().check("--repair");

    assertThat(repaired.exitCode()).as(repaired.text()).isZero();
    assertThat(report(server().check()).path("findings")).isEmpty();
    assertThat(container.execText("echo", "hello")).isEqualTo("hello");
  }

  @Test
  void whatHappenedWhileNoServerRunsIsWrittenDownOnDemand() throws IOException {
    TestPod pod = pods().run();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container =
        pod.container().shell("sleep %s; echo last words; exit 7".formatted(seconds)).start();
    List<Long> process = container.awaitSleeping(seconds);
    TestPod stopped = pods().run();
    String unit = unitOf(container);
    server().kill();
    process.forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());
    await()
        .until(() -> Command.of("systemctl", "is-active", "--quiet", unit).run().exitCode() != 0);
    Command.of("systemctl", "stop", unitOf(stopped)).runChecked();
    assertThat(subjects(report(server().check()), "state")).hasSize(2);

    Command.Outcome repaired = server().check("--repair");

    assertThat(repaired.exitCode()).as(repaired.text()).isZero();
    assertThat(report(server().check()).path("findings")).isEmpty();
    startAgain();
    assertThat(container.awaitEnd().getExitCode()).isEqualTo(7);
    assertThat(container.log().lines("stdout")).containsExactly("last words");
    assertThat(stopped.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
  }

  @Test
  void whatAContainerWritesThatNobodyKnowsAnyMoreGoesToTheJournal() throws IOException {
    TestPod pod = pods().run();
    String before = NodeProcesses.markedSleep();
    String after = NodeProcesses.markedSleep();
    TestContainer container =
        pod.container()
            .shell("sleep %s; seq 20000; echo last words; exec sleep %s".formatted(before, after))
            .start();
    List<Long> process = container.awaitSleeping(before);
    String unit = unitOf(container);
    server().kill();
    Files.delete(copy("containers", container.id()));
    Files.writeString(record("containers", container.id()), "null");
    startAgain();
    assertThat(pod.containers()).isEmpty();

    process.forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());

    await().until(() -> !NodeProcesses.sleeping(after).isEmpty());
    await()
        .until(() ->
            Command.of("journalctl", "--quiet", "--output=cat", "--lines=1", "-u", unit)
                .runChecked()
                .text()
                .contains("last words"));
    Command.Outcome repaired = server().check("--repair");
    assertThat(repaired.exitCode()).as(repaired.text()).isZero();
    await().untilAsserted(() -> assertThat(NodeProcesses.sleeping(after)).isEmpty());
    assertThat(report(server().check()).path("findings")).isEmpty();
  }

  private static String unitOf(TestContainer container) {
    return unit("ctr-*", container.id());
  }

  private static String unitOf(TestPod pod) {
    return unit("pod-*", pod.id());
  }

  private static String unit(String pattern, String id) {
    return Command.of("systemctl", "list-units", "--plain", "--no-legend", pattern)
        .runChecked()
        .text()
        .lines()
        .map(line -> line.split(" +", 2)[0])
        .filter(unit -> unit.contains(id.substring(0, 12)))
        .findFirst()
        .orElseThrow();
  }
}
