package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class WatchedProcessTest {
  /** The one who waits for it is the JDK. */
  private static OptionalInt endOf(String script) throws IOException, InterruptedException {
    Process process = new ProcessBuilder("/bin/sh", "-c", "read wait; " + script).start();
    try (WatchedProcess watched = WatchedProcess.of((int) process.pid()).orElseThrow()) {
      assertThat(watched.end()).as("while it runs").isEmpty();
      process.getOutputStream().close();
      process.waitFor();
      return watched.end();
    }
  }

  @Test
  void itsExitCodeIsToldAfterItIsReaped() throws Exception {
    assumeTrue(WatchedProcess.areEndsTold(), "this kernel is older than 6.15");

    assertThat(endOf("exit 42")).hasValue(42 << 8);
  }

  @Test
  void itsSignalIsToldAfterItIsReaped() throws Exception {
    assumeTrue(WatchedProcess.areEndsTold(), "this kernel is older than 6.15");

    assertThat(endOf("kill -KILL $$")).hasValue(9);
  }

  @Test
  void oneThatIsNotThereCannotBeWatched() {
    assertThat(WatchedProcess.of(Integer.MAX_VALUE)).isEmpty();
  }

  @Test
  void ofOneThatIsWatchedNoMoreNothingIsTold() throws Exception {
    Process process = new ProcessBuilder("/bin/cat").start();
    WatchedProcess watched = WatchedProcess.of((int) process.pid()).orElseThrow();
    watched.close();
    watched.close();
    process.getOutputStream().close();
    process.waitFor();

    assertThat(watched.end()).isEmpty();
  }
}
