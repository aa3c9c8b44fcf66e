package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.units.UnitStatus;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * The moment at which a service's process has become its program: before, it is systemd's own
 * executor, which may still fail to bring it about. A service of {@code Type=simple} counts as
 * started as soon as that one runs.
 */
final class StartOfProcess {
  private static final String EXECUTOR = "/systemd-executor";
  private static final Duration PATIENCE = Duration.ofSeconds(90);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(2);
  private static final Duration LONGEST_PAUSE = Duration.ofMillis(20);

  private StartOfProcess() {}

  /**
   * Waits for it.
   *
   * @param cgroup of the service
   * @param status asks for it
   * @param seen is told the process's number on this host, again and again until it is its program
   * @return how it ended, if it has meanwhile
   */
  static Optional<UnitStatus> await(
      Path cgroup, Supplier<Optional<UnitStatus>> status, IntConsumer seen) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    Duration pause = FIRST_PAUSE;
    while (true) {
      Optional<UnitStatus> now = status.get();
      if (now.isEmpty() || now.get().main().ended() || UnitState.hasLostItsEnd(now.get())) {
        return now;
      }
      int inside = now.get().mainPid();
      Optional<Integer> pid =
          inside > 0 ? ProcessNumbers.onThisHost(cgroup, inside) : Optional.empty();
      pid.ifPresent(seen::accept);
      if (pid.filter(StartOfProcess::runs).isPresent()) {
        return Optional.empty();
      }
      if (System.nanoTime() > deadline) {
        throw new StageletException(
            ErrorCode.DEADLINE_EXCEEDED,
            "systemd did not bring the container's process about within " + PATIENCE);
      }
      pause(pause);
      pause =
          pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0
              ? pause.multipliedBy(2)
              : LONGEST_PAUSE;
    }
  }

  private static boolean runs(int pid) {
    try {
      return !Files.readSymbolicLink(Path.of("/proc", String.valueOf(pid), "exe"))
          .toString()
          .endsWith(EXECUTOR);
    } catch (IOException ended) {
      return false;
    }
  }

  private static void pause(Duration pause) {
    try {
      Thread.sleep(pause);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED, "the start of a container was interrupted", interrupted);
    }
  }
}
