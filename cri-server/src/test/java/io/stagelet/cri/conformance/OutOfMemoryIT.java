package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Which ends are for want of memory, and which are not. Wants a kernel that limits memory; where it
 * does not, these tests fail.
 */
@Tag(LimitsIT.ENFORCED)
class OutOfMemoryIT extends RestartingSuite {
  private static final long MEMORY = 64L << 20;
  private static final String TOO_MUCH = "dd if=/dev/zero of=/dev/null bs=256M count=1";

  OutOfMemoryIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void aContainerThatWantsTooMuchMemoryIsKilledForIt() {
    ContainerStatus status = limited().shell("exec " + TOO_MUCH).runToItsEnd().status();

    assertThat(status.getReason()).isEqualTo("OOMKilled");
    assertThat(status.getExitCode()).isEqualTo(137);
  }

  @Test
  void aContainerWhoseShellEndsByWhatWasKilledIsToo() {
    ContainerStatus status = limited().shell(TOO_MUCH + "; exit $?").runToItsEnd().status();

    assertThat(status.getReason()).isEqualTo("OOMKilled");
    assertThat(status.getExitCode()).isEqualTo(137);
  }

  @Test
  void aContainerThatOutlivesAKilledProcessOfItsOwnHasItsOwnEnd() {
    TestContainer container =
        limited()
            .shell(
                "trap 'exit 7' TERM; %s; echo survived; sleep 1000000 & wait".formatted(TOO_MUCH))
            .start();
    assertThat(container.awaitOutput(1)).containsExactly("survived");
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);

    container.stop(Duration.ofSeconds(60));

    assertThat(container.status().getExitCode()).isEqualTo(7);
    assertThat(container.status().getReason()).isEqualTo("Error");
  }

  @Test
  void aContainerThatIsKilledFromOutsideLaterIsNot() {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container =
        limited().shell("%s; echo survived; exec sleep %s".formatted(TOO_MUCH, seconds)).start();
    assertThat(container.awaitOutput(1)).containsExactly("survived");
    List<Long> pids = container.awaitSleeping(seconds);
    // what comes in the same moment cannot be told apart
    await().pollDelay(Duration.ofSeconds(5)).until(() -> true);

    kill(pids);

    ContainerStatus status = container.awaitEnd();
    assertThat(status.getExitCode()).isEqualTo(137);
    assertThat(status.getReason()).isEqualTo("Error");
  }

  @Test
  void anEndWhileNoServerRanIsToldAfterwards() {
    String seconds = NodeProcesses.markedSleep();
    List<TestContainer> containers =
        Stream.of("exec " + TOO_MUCH, TOO_MUCH + "; exit $?", "exit 137")
            .map(end -> limited().shell("sleep %s; %s".formatted(seconds, end)).start())
            .toList();
    await().until(() -> NodeProcesses.sleeping(seconds).size() == containers.size());

    server().kill();
    kill(NodeProcesses.sleeping(seconds));
    await("the ends of the containers").until(() -> running(containers).isEmpty());
    startAgain();

    assertThat(containers)
        .extracting(container -> container.awaitEnd().getReason())
        .containsExactly("OOMKilled", "OOMKilled", "Error");
    assertThat(containers)
        .extracting(container -> container.status().getExitCode())
        .containsOnly(137);
  }

  private ContainerBuilder limited() {
    return sharedPod()
        .container()
        .with(config ->
            config
                .getLinuxBuilder()
                .setResources(LinuxContainerResources.newBuilder().setMemoryLimitInBytes(MEMORY)));
  }

  private static void kill(List<Long> pids) {
    pids.forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());
  }

  /** Those whose control groups have processes; a machine's systemd has its own units. */
  private static List<TestContainer> running(List<TestContainer> containers) {
    String groups =
        Command.of("find", "/sys/fs/cgroup", "-name", "ctr-*", "-type", "d").runChecked().text();
    return containers.stream()
        .filter(container -> groups.contains(container.id().substring(0, 12)))
        .toList();
  }
}
