package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.Command;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What pods run on goes away for a moment while they come and go, and comes back. */
class SystemdFaultsIT extends RestartingSuite {
  private static final int CALLERS = 4;
  private static final int TIMES = 3;
  private static final int BETWEEN = 4;

  SystemdFaultsIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void theBusIsRestarted() throws InterruptedException {
    podsComeAndGoDuring("restart", "dbus.service");
  }

  @Test
  void systemdExecutesItselfAgain() throws InterruptedException {
    podsComeAndGoDuring("daemon-reexec");
  }

  @Test
  void systemdReloadsItsUnits() throws InterruptedException {
    podsComeAndGoDuring("daemon-reload");
  }

  private void podsComeAndGoDuring(String... systemctl) throws InterruptedException {
    node().pulled(images().busybox());
    Leftovers before = node().runtime().leftovers();
    String[] command = new String[systemctl.length + 1];
    command[0] = "systemctl";
    System.arraycopy(systemctl, 0, command, 1, systemctl.length);
    TestPod bystander = pods().run();
    TestContainer lasting =
        bystander.container().shell("trap 'exit 7' TERM; echo ready; sleep 1000000 & wait").start();
    lasting.awaitOutput(1);
    try (PodWork work = new PodWork(pods(), CALLERS, (TIMES + 1) * BETWEEN)) {
      for (int i = 0; i < TIMES; i++) {
        work.awaitEnded(i * BETWEEN);
        Command.of(command).runChecked();
      }
      work.finish();
    }
    assertThat(lasting.execText("echo", "hello")).isEqualTo("hello");
    lasting.stop(Duration.ofSeconds(60));
    assertThat(lasting.status().getExitCode()).isEqualTo(7);
    pods().removeAll();

    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
  }
}
