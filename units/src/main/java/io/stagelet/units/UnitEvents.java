package io.stagelet.units;

import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns signals of systemd into events for listeners.
 *
 * <p>systemd tells a change in two signals: first all properties of the unit's type that announce
 * themselves, then those every unit has. The first is kept, the second makes the event of both. A
 * {@code daemon-reload} tells every unit as removed and as new again; so while one is under way
 * removals are kept back, and checked afterwards.
 *
 * <pre>
 *   bus ── signals ──▶ decode, merge (bus thread) ──▶ queue ──▶ one thread ──▶ listeners, in order
 * </pre>
 */
final class UnitEvents implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(UnitEvents.class);
  private static final String UNIT = "org.freedesktop.systemd1.Unit";

  private record Registered(List<String> labelPrefixes, UnitListener listener) {
    boolean wants(String label) {
      return labelPrefixes.stream().anyMatch(label::startsWith);
    }
  }

  private final ExecutorService delivery =
      Executors.newSingleThreadExecutor(Thread.ofVirtual().name("unit-events").factory());
  private final List<Registered> listeners = new CopyOnWriteArrayList<>();
  private final Function<UnitName, Boolean> exists;

  // all below is guarded by this
  private final Map<String, MainProcess> mainProcesses = new HashMap<>();
  private final Map<String, UnitStatusChange> lastTold = new HashMap<>();
  private @Nullable Set<String> removedInReload;

  /**
   * @param exists whether systemd knows a unit; asked on the delivery thread, may block
   */
  UnitEvents(Function<UnitName, Boolean> exists) {
    this.exists = exists;
  }

  /** Adds a listener for the units whose names start so. */
  Units.Listening add(List<String> namePrefixes, UnitListener listener) {
    Registered registered =
        new Registered(namePrefixes.stream().map(UnitName::busLabel).toList(), listener);
    listeners.add(registered);
    return () -> listeners.remove(registered);
  }

  /** Properties of a unit have changed. */
  void propertiesChanged(String label, String interfaceName, Map<?, ?> changed) {
    if (!isWanted(label)) {
      return;
    }
    UnitStatusChange change = merge(label, interfaceName, changed);
    if (change != null) {
      tell(new UnitEvent.Changed(change), registered -> registered.wants(label));
    }
  }

  /** A unit is gone, or a daemon-reload says so of every unit. */
  void removed(String label) {
    if (!isWanted(label)) {
      return;
    }
    synchronized (this) {
      if (removedInReload != null) {
        removedInReload.add(label);
        return;
      }
      forget(label);
    }
    tellRemoved(label);
  }

  /** A daemon-reload begins or is done. */
  void reloading(boolean active) {
    Set<String> toCheck;
    synchronized (this) {
      toCheck = removedInReload;
      removedInReload = active ? new java.util.LinkedHashSet<>() : null;
    }
    if (!active && toCheck != null && !toCheck.isEmpty()) {
      submit(() -> tellWhatIsGone(toCheck));
    }
  }

  /** The bus is lost. */
  void disconnected() {
    synchronized (this) {
      mainProcesses.clear();
      lastTold.clear();
      removedInReload = null;
    }
    tell(new UnitEvent.Disconnected(), registered -> true);
  }

  /** The bus is back. */
  void reconnected() {
    tell(new UnitEvent.Reconnected(), registered -> true);
  }

  /** No more events; those that wait are dropped. */
  @Override
  public void close() {
    listeners.clear();
    delivery.shutdown();
  }

  private synchronized @Nullable UnitStatusChange merge(
      String label, String interfaceName, Map<?, ?> changed) {
    if (!interfaceName.equals(UNIT)) {
      if (changed.containsKey("MainPID")) {
        mainProcesses.put(label, Wire.mainProcess(changed));
      }
      return null;
    }
    if (!changed.containsKey("ActiveState")) {
      return null;
    }
    UnitStatusChange change =
        new UnitStatusChange(
            UnitName.fromBusLabel(label),
            ActiveState.of(Wire.text(changed, "ActiveState")),
            Wire.text(changed, "SubState"),
            mainProcesses.getOrDefault(label, Wire.mainProcess(Map.of())));
    if (hasNotBegun(change, changed)) {
      return null;
    }
    return change.equals(lastTold.put(label, change)) ? null : change;
  }

  /**
   * Whether a unit is only about to start: systemd tells its new main process while the state is
   * still the one before, which would look like an end.
   */
  private static boolean hasNotBegun(UnitStatusChange change, Map<?, ?> changed) {
    return switch (change.activeState()) {
      case INACTIVE ->
          change.main().mainPid() > 0 || Wire.instant(changed, "InactiveEnterTimestamp") == null;
      case FAILED -> change.main().mainPid() > 0;
      default -> false;
    };
  }

  private synchronized void forget(String label) {
    mainProcesses.remove(label);
    lastTold.remove(label);
  }

  private boolean isWanted(String label) {
    for (Registered registered : listeners) {
      if (registered.wants(label)) {
        return true;
      }
    }
    return false;
  }

  private void tellWhatIsGone(Set<String> labels) {
    for (String label : labels) {
      try {
        if (!exists.apply(UnitName.fromBusLabel(label))) {
          forget(label);
          tellRemoved(label);
        }
      } catch (StageletException failure) {
        // a lost bus: all is read again when it is back
        UnitsEvent.NEWS_UNREAD
            .on(LOG)
            .setCause(failure)
            .log("could not read whether {} is still there after a daemon-reload", label);
      }
    }
  }

  private void tellRemoved(String label) {
    tell(
        new UnitEvent.Removed(UnitName.fromBusLabel(label)), registered -> registered.wants(label));
  }

  private void tell(UnitEvent event, Predicate<Registered> who) {
    List<Registered> receivers = new ArrayList<>(listeners);
    receivers.removeIf(who.negate());
    if (!receivers.isEmpty()) {
      submit(() -> receivers.forEach(registered -> deliver(event, registered)));
    }
  }

  private void deliver(UnitEvent event, Registered registered) {
    if (!listeners.contains(registered)) {
      return;
    }
    try {
      registered.listener().on(event);
    } catch (RuntimeException failure) {
      UnitsEvent.NEWS_UNREAD.on(LOG).setCause(failure).log("{} could not be handled", event);
    }
  }

  private void submit(Runnable work) {
    try {
      delivery.execute(work);
    } catch (RejectedExecutionException closed) {
      LOG.debug("an event came after the end");
    }
  }
}
