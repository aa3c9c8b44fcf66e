package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

final class OrphansTest {
  /** Starts a process that outlives it, for a shell may reap what ends before it does. */
  private static int orphan(String script) {
    return Integer.parseInt(
        Command.of("/bin/sh", "-c", "(%s) > /dev/null 2>&1 & echo $!".formatted(script))
            .runChecked()
            .text()
            .strip());
  }

  private static int exitCode(ChildProcess child) {
    return await().until(child::exitCode, OptionalInt::isPresent).getAsInt();
  }

  @Test
  void howAnAdoptedProcessEndsIsTold() {
    try (Orphans _ = Orphans.adopt();
        ChildProcess ended = ChildProcess.adopted(orphan("sleep 0.1; exit 5"));
        ChildProcess killed = ChildProcess.adopted(orphan("exec sleep 1000"))) {
      assertThat(exitCode(ended)).isEqualTo(5);
      assertThat(killed.exitCode()).isEmpty();
      killed.kill();
      assertThat(exitCode(killed)).isEqualTo(137);
    }
  }

  @Test
  void onlyAChildIsAdopted() {
    assertThatThrownBy(() -> ChildProcess.adopted(1))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("process 1");
    int reaped;
    try (Orphans _ = Orphans.adopt();
        ChildProcess child = ChildProcess.adopted(orphan("sleep 0.1"))) {
      assertThat(exitCode(child)).isZero();
      reaped = child.pid();
    }
    assertThatThrownBy(() -> ChildProcess.adopted(reaped)).isInstanceOf(StageletException.class);
  }

  @Test
  void anOrphanThatNobodyWaitsForDoesNotStayAZombie() {
    try (Orphans _ = Orphans.adopt(Duration.ofMillis(300))) {
      int pid = orphan("sleep 0.1");
      assertThat(ProcessHandle.current().children().map(ProcessHandle::pid)).contains((long) pid);
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() -> !Files.exists(Path.of("/proc", Integer.toString(pid))));
    }
  }

  @Test
  void oneThatIsKilledInACgroupIsReapedAtOnce() throws Exception {
    String own =
        KernelFile.text(Path.of("/proc/self/cgroup"))
            .lines()
            .filter(line -> line.startsWith("0::"))
            .findFirst()
            .orElseThrow()
            .substring("0::/".length());
    Path cgroup = Path.of("/sys/fs/cgroup").resolve(own);
    try (Orphans _ = Orphans.adopt()) {
      Path process = Path.of("/proc", Integer.toString(orphan("exec sleep 0.2")));

      Orphans.reap(cgroup.resolveSibling("another"));
      assertThat(process).exists();
      Orphans.reap(cgroup);
      assertThat(process).doesNotExist();
    }
  }
}
