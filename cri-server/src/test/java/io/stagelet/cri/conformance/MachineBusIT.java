package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.cri.v1.ContainerState;
import io.stagelet.linux.Command;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What an administrator sees of a pod's machine that has a bus of its own. */
@AlsoOnNspawn(alone = true)
class MachineBusIT extends ConformanceSuite {
  MachineBusIT(NodeUnderTest node) {
    super(node);
  }

  private TestPod pod() {
    stageletOnly("the annotation is Stagelet's");
    TestPod pod =
        pods().run(config -> config.putAnnotations("stagelet.io/stage1", Handler.WITH_BUS.name()));
    await("machined, which is told of " + name(pod))
        .atMost(Duration.ofSeconds(20))
        .until(() -> Command.of("machinectl", "status", name(pod)).run().exitCode() == 0);
    return pod;
  }

  /** As {@code machinectl} calls it. */
  private static String name(TestPod pod) {
    return "%s-%s-%s"
        .formatted(
            pod.config().getMetadata().getNamespace(),
            pod.config().getMetadata().getName(),
            pod.id().substring(0, 12));
  }

  private static String systemctl(TestPod pod, String... words) {
    return Command.of(
            Stream.concat(
                    Stream.of("systemctl", "--machine=" + name(pod), "--no-pager"),
                    Stream.of(words))
                .toList())
        .runChecked()
        .text();
  }

  @Test
  void systemctlShowsAndStopsTheContainersOfAMachine() {
    TestPod pod = pod();
    TestContainer container = pod.idleContainer();
    String unit =
        systemctl(pod, "list-units", "--plain", "--no-legend", "--state=running", "ctr-*")
            .split(" ", 2)[0];

    assertThat(unit).endsWith(container.id().substring(0, 12) + ".service");
    assertThat(systemctl(pod, "status", unit))
        .contains("Active: active (running)")
        .contains("sleep");
    assertThat(systemctl(pod, "show", "--value", "--property=Id", "stage1.target").strip())
        .isEqualTo("stage1.target");

    var _ = systemctl(pod, "stop", unit);

    assertThat(container.awaitEnd().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
  }

  @Test
  void theDaemonIsThereForThoseWhoAskAndContainersDoNotSeeIt() {
    TestPod pod = pod();
    TestContainer container = pod.idleContainer();
    Path group = groupOf(pod).resolve("dbus.service");
    assertThat(group).as("nobody has asked yet").doesNotExist();

    var _ = systemctl(pod, "list-units");

    assertThat(group).exists();
    assertThat(container.exec("ls", "/run/dbus").getExitCode()).isNotZero();
    pod.stop();
    assertThat(group).doesNotExist();
  }

  private static Path groupOf(TestPod pod) {
    String unit =
        Command.of(
                "systemctl",
                "list-units",
                "--plain",
                "--no-legend",
                "pod-*" + pod.id().substring(0, 12) + "*")
            .runChecked()
            .text()
            .split(" ", 2)[0];
    String group =
        Command.of("systemctl", "show", "--value", "--property=ControlGroup", unit)
            .runChecked()
            .text()
            .strip();
    return Path.of("/sys/fs/cgroup" + group, "payload/system.slice");
  }
}
