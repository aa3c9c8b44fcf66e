package io.stagelet.stage1.nspawn;

import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.units.ServiceResult;
import io.stagelet.units.UnitStatus;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntSupplier;

/** What a container's unit says of it. */
final class UnitState {
  /** Of a service whose {@code RemainAfterExit=} keeps it active. */
  private static final String EXITED = "exited";

  private UnitState() {}

  /**
   * The state of a container.
   *
   * @param unit its unit; absent when systemd knows none
   * @param pid the container's first process on this host, 0 for none; asked for when it runs
   */
  static ContainerState of(Optional<UnitStatus> unit, IntSupplier pid) {
    if (unit.isEmpty()) {
      return new ContainerState.Absent();
    }
    UnitStatus status = unit.get();
    Instant start = status.execMainStart();
    if (status.main().ended()) {
      Instant end = Objects.requireNonNullElseGet(status.execMainExit(), Instant::now);
      return new ContainerState.Ended(
          status.main().exitCode(),
          status.main().signal(),
          status.result() == ServiceResult.OOM_KILL,
          Objects.requireNonNullElse(start, end),
          end);
    }
    if (hasLostItsEnd(status)) {
      return new ContainerState.Absent();
    }
    return switch (status.activeState()) {
      case ACTIVE, RELOADING, REFRESHING, MAINTENANCE ->
          new ContainerState.Running(
              pid.getAsInt(), Objects.requireNonNullElseGet(start, Instant::now));
      case ACTIVATING, DEACTIVATING -> new ContainerState.Starting();
      case INACTIVE, FAILED, OTHER -> new ContainerState.Absent();
    };
  }

  /**
   * Whether its process has ended, and systemd does not know how. To systemd 257 the first process
   * of a PID namespace that it has made is a stranger, whose parent it was not at first. When the
   * control group becomes empty, and that process is a zombie whose SIGCHLD is not read yet, it
   * counts as gone, and what SIGCHLD then tells is nobody's.
   */
  static boolean hasLostItsEnd(UnitStatus status) {
    return status.subState().equals(EXITED)
        && status.main().mainPid() == 0
        && !status.main().ended();
  }
}
