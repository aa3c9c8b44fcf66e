package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.stream.Stream;
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
    podsComeAndGoDuring(() -> {
      systemctl("restart", "dbus.service");
      // or systemd gives it up, with its socket, at the sixth start within ten seconds
      systemctl("reset-failed", "dbus.service");
    });
  }

  @Test
  void systemdExecutesItselfAgain() throws InterruptedException {
    podsComeAndGoDuring(() -> systemctl("daemon-reexec"));
  }

  @Test
  void systemdReloadsItsUnits() throws InterruptedException {
    podsComeAndGoDuring(() -> systemctl("daemon-reload"));
  }

  private void podsComeAndGoDuring(Runnable fault) throws InterruptedException {
    node().pulled(images().busybox());
    Leftovers before = node().runtime().leftovers();
    TestPod bystander = pods().run();
    TestContainer lasting =
        bystander.container().shell("trap 'exit 7' TERM; echo ready; sleep 1000000 & wait").start();
    lasting.awaitOutput(1);
    try (PodWork work = new PodWork(pods(), CALLERS, (TIMES + 1) * BETWEEN)) {
      for (int i = 0; i < TIMES; i++) {
        work.awaitEnded(i * BETWEEN);
        fault.run();
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

  private static void systemctl(String... words) {
    Command.of(Stream.concat(Stream.of("systemctl"), Stream.of(words)).toList()).runChecked();
  }
}
