package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.linux.WatchedProcess;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.units.ActiveState;
import io.stagelet.units.LoadState;
import io.stagelet.units.MainExitCode;
import io.stagelet.units.MainProcess;
import io.stagelet.units.ServiceResult;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitStatus;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Needs root, to make PID namespaces. */
class LostEndsIT {
  private static final UnitName UNIT = UnitName.of("ctr-a.service");

  /** What systemd says of one whose end it has lost. */
  private static final UnitStatus LOST =
      new UnitStatus(
          UNIT,
          "",
          LoadState.LOADED,
          ActiveState.ACTIVE,
          "exited",
          new MainProcess(
              ServiceResult.SUCCESS,
              0,
              0,
              MainExitCode.NONE,
              0,
              Instant.parse("2026-11-29T12:00:00Z"),
              null,
              ""),
          "/ctr-a.service",
          "");

  /** The end of a shell that is the first process of a PID namespace; its parent reaps it. */
  private static Optional<ContainerState> endOf(String script) throws Exception {
    Process parent =
        new ProcessBuilder("unshare", "--pid", "--fork", "/bin/sh", "-c", "read wait; " + script)
            .start();
    try (LostEnds ends = new LostEnds()) {
      await("the first process").until(() -> parent.children().findAny().isPresent());
      ends.watch(UNIT, (int) parent.pid());
      ends.watch(UNIT, (int) parent.children().findAny().orElseThrow().pid());
      parent.getOutputStream().close();
      parent.waitFor();
      return ends.of(LOST);
    }
  }

  @Test
  void whatSystemdHasLostTheKernelKnows() throws Exception {
    assumeTrue(WatchedProcess.areEndsTold(), "this kernel is older than 6.15");

    assertThat(endOf("exit 42"))
        .get()
        .isInstanceOfSatisfying(
            ContainerState.Ended.class,
            ended -> {
              assertThat(ended.exitCode()).isEqualTo(42);
              assertThat(ended.signal()).isZero();
              assertThat(ended.startedAt()).isEqualTo(LOST.execMainStart());
            });
  }

  @Test
  void ofOneThatWasNotWatchedNobodyKnows() {
    try (LostEnds ends = new LostEnds()) {
      assertThat(ends.of(LOST)).isEmpty();
    }
  }
}
