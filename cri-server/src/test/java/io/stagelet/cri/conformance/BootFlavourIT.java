package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.linux.Command;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * An image that has an init for its entry point runs as a machine: with the annotation that picks a
 * handler whose {@code boot} is {@code image}.
 */
@AlsoOnNspawn(alone = true)
class BootFlavourIT extends ConformanceSuite {
  private static final Duration BOOT = Duration.ofSeconds(60);

  BootFlavourIT(NodeUnderTest node) {
    super(node);
  }

  private TestPod pod() {
    stageletOnly("the annotation is Stagelet's");
    return pods()
        .run(config -> config.putAnnotations("stagelet.io/stage1", Handler.BOOTING.name()));
  }

  private ContainerBuilder machine(TestPod pod) {
    return pod.container(images().bootable()).mount(Path.of("/usr"), "/usr", true);
  }

  private static void awaitBoot(TestContainer machine) {
    await("the end of the boot of " + machine.id())
        .atMost(BOOT)
        .untilAsserted(() ->
            assertThat(
                    machine
                        .exec("systemctl", "is-system-running", "--wait")
                        .getStdout()
                        .toStringUtf8())
                .containsAnyOf("running", "degraded"));
  }

  /** A systemd stops telling its console of units as soon as a login has it. */
  private static void awaitLogin(TestContainer machine) {
    await("a login on the console in " + machine.logFile())
        .atMost(BOOT)
        .untilAsserted(() ->
            assertThat(machine.log().lines("stdout"))
                .anyMatch(line -> line.contains("getty.target")));
  }

  /** As {@code machinectl} calls it. */
  private static String name(TestPod pod, TestContainer machine) {
    return "%s-%s-%s"
        .formatted(
            pod.config().getMetadata().getName(),
            machine.config().getMetadata().getName(),
            machine.id().substring(0, 12));
  }

  private static Path journal(TestContainer machine) {
    return Path.of("/var/log/journal", machine.id().substring(0, 32));
  }

  private static String said(String... command) {
    return Command.of(command).runChecked().text();
  }

  @Test
  void itIsAMachineWithAnInitAShellAndAJournalOfItsOwn() {
    TestPod pod = pod();
    TestContainer machine = machine(pod).start();
    assertThat(machine.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    awaitBoot(machine);
    String name = name(pod, machine);
    String mark = UUID.randomUUID().toString();

    assertThat(machine.execText("cat", "/proc/1/comm")).isEqualTo("systemd");
    assertThat(machine.execText("hostname")).isEqualTo(pod.config().getHostname());
    assertThat(machine.execText("ls", "/sys/class/net")).contains("eth0");
    assertThat(machine.execText("systemctl", "is-active", "dbus.service")).isEqualTo("active");
    awaitLogin(machine);
    assertThat(said("machinectl", "list", "--no-legend")).contains(name);
    assertThat(machine.execText("cat", "/etc/machine-id")).isEqualTo(machine.id().substring(0, 32));
    // what a short command says is lost by machinectl now and then: so it leaves something behind
    var _ = said("machinectl", "--quiet", "shell", name, "/usr/bin/mkdir", "/root/by-its-shell");
    await("what the shell made")
        .atMost(Duration.ofSeconds(20))
        .untilAsserted(
            () -> assertThat(machine.exec("ls", "/root/by-its-shell").getExitCode()).isZero());
    machine.execText("systemd-cat", "--identifier=mark", "echo", mark);
    await("the machine's journal, seen from the host")
        .atMost(Duration.ofSeconds(20))
        .untilAsserted(() -> {
          assertThat(said("journalctl", "--machine=" + name, "--output=cat", "--identifier=mark"))
              .contains(mark);
          assertThat(said("journalctl", "--merge", "--output=cat", "--identifier=mark"))
              .contains(mark);
        });

    machine.stop(Duration.ofSeconds(60));

    ContainerStatus ended = machine.status();
    assertThat(ended.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(ended.getExitCode()).as("it was shut down, not killed").isZero();
    assertThat(machine.log().lines("stdout")).anyMatch(line -> line.contains("halt.target"));
    machine.remove();
    assertThat(Files.exists(journal(machine), java.nio.file.LinkOption.NOFOLLOW_LINKS)).isFalse();
  }

  @Test
  void itsConsoleCanBeATerminal() {
    TestContainer machine =
        machine(pod()).with(config -> config.setTty(true).setStdin(true)).start();

    awaitLogin(machine);
    machine.stop(Duration.ofSeconds(60));

    assertThat(machine.status().getExitCode()).as("%s", machine.log().lines("stdout")).isZero();
  }

  @Test
  void aCodeThatItsInitEndsWithIsTheContainers() {
    TestContainer machine = machine(pod()).start();
    awaitBoot(machine);

    machine.exec("systemctl", "exit", "7");

    assertThat(machine.awaitEnd().getExitCode()).isEqualTo(7);
  }

  @Test
  void withoutGraceItIsKilled() {
    TestContainer machine = machine(pod()).start();

    machine.stop(Duration.ZERO);

    assertThat(machine.status().getExitCode()).isEqualTo(137);
  }

  @Test
  void whatAnInitCannotBeIsRefused() {
    TestPod pod = pod();

    assertThat(refusal(() -> machine(pod).user(1234).create()))
        .satisfies(refusal -> {
          assertThat(refusal.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
          assertThat(refusal.getDescription()).contains("1234", "root");
        });
    assertThat(
            refusal(() -> pod.container(images().busybox()).command("/no/init").start())
                .getDescription())
        .contains("/no/init");
  }
}
