package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1Listener;
import io.stagelet.units.UnitEvent;
import io.stagelet.units.UnitName;
import io.stagelet.units.Units;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The connections to the systemds of machines: one for each machine that is up, made when needed.
 */
final class Machines implements AutoCloseable {
  private final Map<UnitName, Units> connected = new ConcurrentHashMap<>();
  private final List<Stage1Listener> listeners = new CopyOnWriteArrayList<>();

  /**
   * The systemd of a machine.
   *
   * @throws StageletException {@code FAILED_PRECONDITION} when the machine is down
   */
  Units systemdOf(Machine machine) {
    return find(machine)
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "the machine %s is down (see systemctl status %s)"
                    .formatted(machine.name(), machine.unit())));
  }

  /** The systemd of a machine, unless it is down. */
  Optional<Units> find(Machine machine) {
    Units known = connected.get(machine.unit());
    if (known != null) {
      return Optional.of(known);
    }
    return NspawnStage1.leader(machine)
        .map(leader -> connected.computeIfAbsent(machine.unit(), unit -> connect(unit, leader)));
  }

  /** The process of a machine's systemd. */
  int leaderOf(Machine machine) {
    return NspawnStage1.leader(machine)
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.FAILED_PRECONDITION, "the machine %s is down".formatted(machine.name())));
  }

  /** The root of a machine that is up, as this host reaches it. */
  Path root(Machine machine) {
    return Path.of("/proc", String.valueOf(leaderOf(machine)), "root");
  }

  private Units connect(UnitName machine, int leader) {
    Units systemd =
        Units.connectDirectly(
            Path.of("/proc", String.valueOf(leader), "root", MachineRoot.SYSTEMD));
    var _ =
        systemd.listen(event -> {
          switch (event) {
            case UnitEvent.Changed(var change) ->
                listeners.forEach(listener -> listener.changed(change.unit().value()));
            case UnitEvent.Removed(UnitName unit) ->
                listeners.forEach(listener -> listener.changed(unit.value()));
            case UnitEvent.Reconnected _ -> listeners.forEach(Stage1Listener::resynchronize);
            case UnitEvent.Disconnected _ -> ended(machine);
          }
        });
    return systemd;
  }

  /** Tells {@code listener} what becomes of containers. */
  AutoCloseable listen(Stage1Listener listener) {
    listeners.add(listener);
    return () -> listeners.remove(listener);
  }

  /** A machine has ended by itself: its containers are gone. */
  void ended(UnitName machine) {
    Units systemd = connected.remove(machine);
    if (systemd != null) {
      // not on the thread that tells it: closing waits for that one
      Thread.startVirtualThread(() -> {
        systemd.close();
        listeners.forEach(Stage1Listener::resynchronize);
      });
    }
  }

  /** A machine is about to be stopped. */
  void forget(Machine machine) {
    Units systemd = connected.remove(machine.unit());
    if (systemd != null) {
      systemd.close();
    }
  }

  @Override
  public void close() {
    connected.values().forEach(Units::close);
    connected.clear();
  }
}
