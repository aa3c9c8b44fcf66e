package io.stagelet.stage1.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Listener;
import io.stagelet.stage0.spi.StartFailure;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What the server relies on, whatever the stage1. A stage1's own tests extend this, and say how it
 * is opened. Each test has pods of its own, and looks afterwards for what they have left.
 */
@Timeout(120)
public abstract class Stage1Contract {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final int SIGTERM = 15;
  private static final int SIGKILL = 9;

  private final CleanupStack cleanup = new CleanupStack();
  private final Units units = Units.connect();
  private Path folder = Path.of("/");
  private @Nullable Stage1 opened;

  /** For implementations. */
  protected Stage1Contract() {}

  /**
   * Opens the stage1, as its provider would for a handler.
   *
   * @param host what the server would share: the connection to systemd, and no faults
   * @param runDirectory a directory on a tmpfs that belongs to the handler; it may not exist yet
   */
  protected abstract Stage1 open(Stage1Host host, Path runDirectory);

  @BeforeEach
  final void openIt() throws IOException {
    cleanup.push("close the connection to systemd", units::close);
    folder = Files.createTempDirectory(Path.of("/run"), "stage1-contract-");
    cleanup.push(
        "remove " + folder,
        () -> Command.of("rm", "-rf", "--one-file-system", folder.toString()).runChecked());
    Stage1 stage1 = open(new SharedByTest(units), folder.resolve("handler"));
    opened = stage1;
    cleanup.push("close the stage1", stage1::close);
  }

  private Stage1 stage1() {
    return Objects.requireNonNull(opened);
  }

  @AfterEach
  final void nothingIsLeft() {
    cleanup.close();
    assertThat(MountInfo.all())
        .extracting(MountInfo::target)
        .as("mounts that are left")
        .noneMatch(target -> target.startsWith(folder));
  }

  private PlannedPod planned(UnaryOperator<SandboxPlan> change) {
    PlannedPod pod = new PlannedPod(folder, change);
    cleanup.push("remove a pod's folders", pod::close);
    cleanup.push("stop a sandbox", () -> stage1().stopSandbox(pod.sandbox()));
    return pod;
  }

  private PlannedPod startedPod() {
    PlannedPod pod = planned(UnaryOperator.identity());
    stage1().startSandbox(pod.sandbox());
    return pod;
  }

  private ContainerPlan started(ContainerPlan container) {
    cleanup.push("remove a container", () -> stage1().removeContainer(container));
    stage1().prepareContainer(container);
    stage1().startContainer(container, terminal -> {});
    return container;
  }

  private ContainerState.Running running(ContainerPlan container) {
    await("the container runs")
        .atMost(PATIENCE)
        .until(() -> stage1().state(container) instanceof ContainerState.Running);
    return (ContainerState.Running) stage1().state(container);
  }

  private ContainerState.Ended ended(ContainerPlan container) {
    await("the container's end")
        .atMost(PATIENCE)
        .until(() -> stage1().state(container) instanceof ContainerState.Ended);
    return (ContainerState.Ended) stage1().state(container);
  }

  private Joined joined(ContainerPlan container, String script) throws IOException {
    return new Joined(
        stage1()
            .exec(container, container.process().with(List.of("/bin/sh", "-c", script), false)));
  }

  private boolean systemdKnows(String unit) {
    return Command.of("systemctl", "show", "--value", "--property=LoadState", unit)
        .runChecked()
        .text()
        .strip()
        .equals("loaded");
  }

  // ---- sandboxes

  @Test
  final void aSandboxIsAUnitUntilItIsStopped() {
    PlannedPod pod = startedPod();

    assertThat(stage1().isUp(pod.sandbox())).isTrue();
    assertThat(systemdKnows(stage1().unitOf(pod.sandbox()))).isTrue();

    stage1().stopSandbox(pod.sandbox());

    assertThat(stage1().isUp(pod.sandbox())).isFalse();
    assertThat(systemdKnows(stage1().unitOf(pod.sandbox()))).isFalse();
  }

  @Test
  final void itsNetworkIsItsOwnAndHasALoopback() throws Exception {
    PlannedPod pod = startedPod();
    Path pin = pod.sandbox().networkNamespace().orElseThrow();

    String links =
        Namespaces.inside(
            Namespaces.Kind.NETWORK,
            pin,
            () -> Command.of("ip", "-brief", "link").runChecked().text());

    assertThat(links.lines()).singleElement().asString().contains("lo").contains("UP");
  }

  @Test
  final void aSandboxThatIsDownCanBeStopped() {
    PlannedPod pod = planned(UnaryOperator.identity());

    stage1().stopSandbox(pod.sandbox());
    stage1().startSandbox(pod.sandbox());
    stage1().stopSandbox(pod.sandbox());
    stage1().stopSandbox(pod.sandbox());

    assertThat(stage1().isUp(pod.sandbox())).isFalse();
  }

  @Test
  final void whatNobodyKnowsIsSwept() {
    PlannedPod known = startedPod();
    PlannedPod lost = startedPod();

    stage1().sweep(Set.of(stage1().unitOf(known.sandbox())));

    assertThat(stage1().isUp(known.sandbox())).isTrue();
    assertThat(stage1().isUp(lost.sandbox())).isFalse();
  }

  // ---- the life of a container

  @Test
  final void nothingRunsBeforeTheStart() {
    PlannedPod pod = startedPod();
    ContainerPlan container = pod.container("echo too early");
    cleanup.push("remove a container", () -> stage1().removeContainer(container));

    stage1().prepareContainer(container);
    stage1().prepareContainer(container);

    assertThat(stage1().state(container)).isInstanceOf(ContainerState.Absent.class);
    assertThat(pod.output(container)).isEmpty();
  }

  @Test
  final void aContainerRunsAsPlanned() {
    PlannedPod pod = startedPod();
    ContainerPlan container =
        started(pod.container("echo $GREETING; id -u; hostname; pwd; exec sleep 1000"));

    ContainerState.Running running = running(container);

    assertThat(ProcessHandle.of(running.pid())).isPresent();
    await("its output")
        .atMost(PATIENCE)
        .untilAsserted(
            () -> assertThat(pod.output(container)).isEqualTo("hello world\n0\ncontract-pod\n/\n"));
  }

  @Test
  final void itsProcessesAreInItsControlGroup() {
    ContainerPlan container = started(startedPod().container("exec sleep 1000"));
    int pid = running(container).pid();

    assertThat(Command.of("cat", "/proc/%d/cgroup".formatted(pid)).runChecked().text())
        .contains(Path.of("/sys/fs/cgroup").relativize(stage1().cgroup(container)).toString());
  }

  @Test
  final void itsExitCodeIsKept() {
    ContainerPlan container = started(startedPod().container("exit 7"));

    ContainerState.Ended ended = ended(container);

    assertThat(ended.exitCode()).isEqualTo(7);
    assertThat(ended.signal()).isZero();
    assertThat(ended.outOfMemory()).isFalse();
    assertThat(ended.finishedAt()).isAfterOrEqualTo(ended.startedAt());
  }

  @Test
  final void aSignalReachesItsFirstProcess() {
    PlannedPod pod = startedPod();
    ContainerPlan container =
        started(pod.container("trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"));
    await("its trap").atMost(PATIENCE).until(() -> pod.output(container).contains("ready"));

    stage1().signal(container, SIGTERM);

    assertThat(ended(container).exitCode()).isEqualTo(3);
  }

  @Test
  final void killingEndsAllItsProcesses() {
    ContainerPlan container = started(startedPod().container("sleep 1000 & exec sleep 1000"));
    running(container);

    stage1().kill(container);

    ContainerState.Ended ended = ended(container);
    assertThat(ended.signal()).isEqualTo(SIGKILL);
    assertThat(ended.exitCode()).isEqualTo(128 + SIGKILL);
    // fine when it has ended
    stage1().kill(container);
    stage1().signal(container, SIGTERM);
  }

  @Test
  final void aProgramThatIsNotThereIsAStartFailureAndLeavesNoUnit() {
    ContainerPlan container =
        startedPod()
            .container(
                new ExecPlan(
                    List.of("/bin/not-there"),
                    List.of("PATH=/bin"),
                    "/",
                    new ExecPlan.User(0, 0, List.of()),
                    false,
                    false));

    assertThatThrownBy(() -> started(container))
        .isInstanceOf(StartFailure.class)
        .hasMessageContaining("/bin/not-there");
    assertThat(stage1().state(container)).isInstanceOf(ContainerState.Absent.class);
  }

  @Test
  final void aContainerThatIsRemovedIsForgotten() {
    ContainerPlan container = started(startedPod().container("exec sleep 1000"));
    int pid = running(container).pid();

    stage1().removeContainer(container);

    assertThat(stage1().state(container)).isInstanceOf(ContainerState.Absent.class);
    assertThat(ProcessHandle.of(pid)).isEmpty();
    stage1().removeContainer(container);
  }

  @Test
  final void aContainerOfTheSameNameCanFollow() {
    PlannedPod pod = startedPod();
    ContainerPlan first = started(pod.container("exit 1"));
    assertThat(ended(first).exitCode()).isEqualTo(1);

    ContainerPlan second = started(pod.container("exit 2"));

    assertThat(ended(second).exitCode()).isEqualTo(2);
    assertThat(ended(first).exitCode()).isEqualTo(1);
  }

  @Test
  final void stoppingTheSandboxEndsItsContainers() {
    PlannedPod pod = startedPod();
    ContainerPlan container = started(pod.container("exec sleep 1000"));
    int pid = running(container).pid();

    stage1().stopSandbox(pod.sandbox());

    assertThat(stage1().state(container)).isNotInstanceOf(ContainerState.Running.class);
    assertThat(ProcessHandle.of(pid)).isEmpty();
  }

  @Test
  final void whoListensHearsOfAnEnd() {
    Collection<String> changed = new ConcurrentLinkedQueue<>();
    ContainerPlan container = startedPod().container("exec sleep 1000");
    AutoCloseable listening =
        stage1()
            .listen(
                new Stage1Listener() {
                  @Override
                  public void changed(String unit) {
                    changed.add(unit);
                  }

                  @Override
                  public void resynchronize() {}
                });
    cleanup.push("listen no more", () -> close(listening));
    started(container);
    running(container);
    changed.clear();
    stage1().kill(container);

    await("the news of its end")
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(changed).contains(stage1().unitOf(container)));
  }

  private static void close(AutoCloseable listening) {
    try {
      listening.close();
    } catch (Exception failure) {
      throw new IllegalStateException("a listener could not be taken away", failure);
    }
  }

  @Test
  final void anotherInstanceFindsWhatRunsAndWhatHasEnded() {
    PlannedPod pod = startedPod();
    ContainerPlan runs = started(pod.container("exec sleep 1000"));
    ContainerPlan over = started(pod.container("exit 4"));
    int pid = running(runs).pid();
    ended(over);

    try (Stage1 other = open(new SharedByTest(units), folder.resolve("handler"))) {
      assertThat(other.isUp(pod.sandbox())).isTrue();
      assertThat(other.state(runs))
          .isInstanceOfSatisfying(
              ContainerState.Running.class, state -> assertThat(state.pid()).isEqualTo(pid));
      assertThat(other.state(over))
          .isInstanceOfSatisfying(
              ContainerState.Ended.class, state -> assertThat(state.exitCode()).isEqualTo(4));
    }
  }

  @Test
  final void aTerminalIsHandedOver() {
    PlannedPod pod = startedPod();
    ContainerPlan container =
        pod.container(
            new ExecPlan(
                List.of("/bin/sh", "-c", "test -t 0 && test -t 1 && test -t 2"),
                List.of("PATH=/bin"),
                "/",
                new ExecPlan.User(0, 0, List.of()),
                true,
                false));
    AtomicInteger master = new AtomicInteger(-1);
    cleanup.push("remove a container", () -> stage1().removeContainer(container));
    stage1().prepareContainer(container);

    stage1().startContainer(container, master::set);
    cleanup.push("close a terminal", () -> Descriptors.close(master.get()));

    assertThat(ended(container).exitCode()).isZero();
    assertThat(master.get()).isGreaterThan(2);
  }

  // ---- what it may do

  @Test
  final void itHasItsUserGroupsAndNoMoreCapabilities() throws IOException {
    ContainerPlan container =
        started(
            startedPod()
                .container(
                    new ExecPlan(
                        List.of("/bin/sh", "-c", "exec sleep 1000"),
                        List.of("PATH=/bin"),
                        "/tmp",
                        new ExecPlan.User(1234, 1235, List.of(1236L)),
                        false,
                        true)));
    String first =
        Command.of("cat", "/proc/%d/status".formatted(running(container).pid()))
            .runChecked()
            .text();
    try (Joined joined = joined(container, "cat /proc/self/status; pwd")) {
      assertThat(joined.exitCode()).isZero();
      for (String status : List.of(first, joined.output())) {
        assertThat(status)
            .containsPattern("Uid:\\s+1234\\s+1234")
            .containsPattern("Gid:\\s+1235\\s+1235")
            .containsPattern("Groups:.*1236")
            .containsPattern("CapEff:\\s+0{16}")
            .containsPattern("NoNewPrivs:\\s+1");
        assertThat(status.lines().filter(line -> line.startsWith("CapBnd")))
            .containsExactly("CapBnd:\t00000000000004e1");
      }
      assertThat(joined.output()).endsWith("/tmp\n");
    }
  }

  @Test
  final void aProcessThatJoinsHasTheContainersSeccompFilter() throws IOException {
    ContainerPlan plain = startedPod().container("exec sleep 1000");
    ContainerPlan.Security security = plain.security();
    ContainerPlan container =
        started(
            PlannedPod.with(
                plain,
                List.of(),
                new ContainerPlan.Security(
                    security.privileged(),
                    security.readOnlyRootfs(),
                    security.capabilities(),
                    security.ambientCapabilities(),
                    security.maskedPaths(),
                    security.readOnlyPaths(),
                    security.apparmorProfile(),
                    security.selinux(),
                    security.mountLabel(),
                    Optional.of(
                        """
                        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                          {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
                        """))));
    String first =
        Command.of("cat", "/proc/%d/status".formatted(running(container).pid()))
            .runChecked()
            .text();
    try (Joined joined = joined(container, "cat /proc/self/status; mkdir /tmp/new")) {
      assertThat(joined.exitCode()).isEqualTo(1);
      for (String status : List.of(first, joined.output())) {
        assertThat(status).containsPattern("Seccomp:\\s+2").containsPattern("NoNewPrivs:\\s+0");
      }
      assertThat(joined.output()).contains("No space left on device");
    }
  }

  @Test
  final void volumesAreThereAndReadOnlyOnesAreNotWritten() throws IOException {
    Path volume = Files.createDirectory(folder.resolve("volume"));
    Files.writeString(volume.resolve("file"), "from the host\n");
    PlannedPod pod = startedPod();
    ContainerPlan plain =
        pod.container("cat /rw/file /ro/file; touch /rw/made; touch /ro/not-made; exit 0");

    ContainerPlan container =
        started(
            PlannedPod.with(
                plain,
                List.of(mount(volume, "/rw", false), mount(volume, "/ro", true)),
                plain.security()));

    assertThat(ended(container).exitCode()).isZero();
    assertThat(pod.output(container)).isEqualTo("from the host\nfrom the host\n");
    assertThat(volume.resolve("made")).exists();
    assertThat(volume.resolve("not-made")).doesNotExist();
  }

  private static ContainerPlan.Mount mount(Path source, String destination, boolean readOnly) {
    return new ContainerPlan.Mount(
        source, destination, readOnly, false, ContainerPlan.Propagation.PRIVATE, false, List.of());
  }

  // ---- processes that join

  @Test
  final void aProcessJoinsWithItsOutputAndExitCode() throws IOException {
    ContainerPlan container = started(startedPod().container("touch /tmp/here; exec sleep 1000"));
    running(container);
    await("its file")
        .atMost(PATIENCE)
        .until(() -> Files.exists(container.rootfs().resolve("tmp/here")));

    try (Joined joined = joined(container, "echo $GREETING; ls /tmp; cat /proc/1/comm; exit 5")) {
      assertThat(joined.exitCode()).isEqualTo(5);
      assertThat(joined.output()).isEqualTo("hello world\nhere\nsleep\n");
      assertThat(joined.refusal()).isEmpty();
    }
  }

  @Test
  final void aProcessThatJoinedIsKilledWithWhatItStarted() throws IOException {
    ContainerPlan container = started(startedPod().container("exec sleep 1000"));
    running(container);

    try (Joined joined = joined(container, "sleep 2000 & echo started; sleep 3000")) {
      await("its start").atMost(PATIENCE).until(() -> joined.output().contains("started"));
      joined.kill();
      assertThat(joined.exitCode()).isEqualTo(128 + SIGKILL);
    }
    await("its end with all it started")
        .atMost(PATIENCE)
        .until(() ->
            ProcessHandle.allProcesses()
                .noneMatch(
                    process -> process.info().commandLine().orElse("").matches(".*sleep [23]000")));
    assertThat(stage1().state(container)).isInstanceOf(ContainerState.Running.class);
  }

  @Test
  final void nobodyJoinsAContainerThatHasEnded() {
    ContainerPlan container = started(startedPod().container("exit 0"));
    ended(container);

    assertThatThrownBy(
            () -> {
              try (Joined joined = joined(container, "true")) {
                assertThat(joined.exitCode()).isNotZero();
                throw new IllegalStateException("the command was refused, not its planning");
              }
            })
        .isNotNull();
  }
}
