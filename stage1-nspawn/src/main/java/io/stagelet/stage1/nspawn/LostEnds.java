package io.stagelet.stage1.nspawn;

import io.stagelet.linux.WatchedProcess;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;

/**
 * How containers ended of which systemd does not know it ({@link UnitState#hasLostItsEnd}): their
 * first processes are watched, and the kernel is asked instead. One descriptor for each container
 * that runs; none where the kernel tells no ends.
 */
final class LostEnds implements AutoCloseable {
  /** From the moment at which systemd counts a process as gone, until it has reaped it. */
  private static final Duration REAPING = Duration.ofSeconds(2);

  private static final Duration POLL = Duration.ofMillis(5);
  private static final int SIGNAL = 0x7f;
  private static final int KILLED = 128;

  private final Map<UnitName, WatchedProcess> watched = new ConcurrentHashMap<>();

  /**
   * Watches the first process of a container, unless it is watched. One that is not the first of a
   * PID namespace is not: systemd knows how it ends, and the one that makes the namespace ends with
   * 0 when the first is there.
   */
  void watch(UnitName unit, int pid) {
    watched.compute(
        unit,
        (name, known) -> {
          if (known != null && known.pid() == pid) {
            return known;
          }
          Optional<WatchedProcess> now =
              WatchedProcess.areEndsTold() && ProcessNumbers.isFirst(pid)
                  ? WatchedProcess.of(pid)
                  : Optional.empty();
          if (now.isPresent() && known != null) {
            known.close();
          }
          return now.orElse(known);
        });
  }

  /** How a container ended; empty when the kernel does not know it either. */
  Optional<ContainerState> of(UnitStatus status) {
    WatchedProcess process = watched.get(status.name());
    if (process == null) {
      return Optional.empty();
    }
    long deadline = System.nanoTime() + REAPING.toNanos();
    OptionalInt end = process.end();
    while (end.isEmpty() && System.nanoTime() < deadline) {
      try {
        Thread.sleep(POLL);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        break;
      }
      end = process.end();
    }
    return end.isEmpty() ? Optional.empty() : Optional.of(ended(end.getAsInt(), status));
  }

  /** The first of its states is kept by whoever asks: the time is that of the question. */
  private static ContainerState ended(int end, UnitStatus status) {
    Instant now = Instant.now();
    int signal = end & SIGNAL;
    return new ContainerState.Ended(
        signal == 0 ? (end >> 8) & 0xff : KILLED + signal,
        signal,
        false,
        Objects.requireNonNullElse(status.execMainStart(), now),
        now);
  }

  /** Nothing of this container is asked any more. */
  void forget(UnitName unit) {
    WatchedProcess process = watched.remove(unit);
    if (process != null) {
      process.close();
    }
  }

  @Override
  public void close() {
    watched.keySet().forEach(this::forget);
  }
}
