package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;

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

class UnitStateTest {
  private static final Instant START = Instant.parse("2026-11-29T12:00:00Z");

  private static ContainerState state(String subState, int pid, MainExitCode code, int status) {
    return UnitState.of(
        Optional.of(
            new UnitStatus(
                UnitName.of("ctr-a.service"),
                "",
                LoadState.LOADED,
                ActiveState.ACTIVE,
                subState,
                new MainProcess(ServiceResult.SUCCESS, pid, 7, code, status, START, null, ""),
                "/ctr-a.service",
                "")),
        () -> pid);
  }

  @Test
  void aServiceWithAProcessRuns() {
    assertThat(state("running", 7, MainExitCode.NONE, 0))
        .isEqualTo(new ContainerState.Running(7, START));
  }

  @Test
  void oneThatStaysAfterItsProcessTellsHowItEnded() {
    assertThat(state("exited", 0, MainExitCode.EXITED, 3))
        .isInstanceOfSatisfying(
            ContainerState.Ended.class, ended -> assertThat(ended.exitCode()).isEqualTo(3));
  }

  @Test
  void oneOfWhichSystemdHasLostTheEndDoesNotRun() {
    assertThat(state("exited", 0, MainExitCode.NONE, 0)).isInstanceOf(ContainerState.Absent.class);
  }
}
