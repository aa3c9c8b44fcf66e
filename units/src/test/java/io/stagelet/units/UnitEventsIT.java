package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.Command;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What listeners are told, by the systemd of the machine and by the loss of its bus. */
class UnitEventsIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static Units units;

  @TempDir Path directory;

  private final BlockingQueue<UnitEvent> events = new LinkedBlockingQueue<>();
  private final List<UnitName> made = new ArrayList<>();
  private Units.Listening listening;

  @BeforeAll
  static void connect() {
    units = Units.connect();
  }

  @AfterAll
  static void disconnect() {
    units.close();
  }

  @BeforeEach
  void listen() {
    listening = units.listen(events::add);
  }

  @AfterEach
  void removeUnits() {
    listening.close();
    for (UnitName unit : made) {
      units.stop(unit, SOON);
      units.resetFailed(unit);
    }
  }

  @Test
  void aLifeIsToldInItsOrderWithTheExitCodeAndThenTheRemoval() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "sleep 0.2; exit 7").build(), SOON);
    UnitStatusChange failed =
        awaitChange(unit, change -> change.activeState() == ActiveState.FAILED);
    assertThat(failed.subState()).isEqualTo("failed");
    assertThat(failed.main().result()).isEqualTo(ServiceResult.EXIT_CODE);
    assertThat(failed.main().execMainCode()).isEqualTo(MainExitCode.EXITED);
    assertThat(failed.main().execMainStatus()).isEqualTo(7);
    assertThat(failed.main().execMainExit()).isAfter(failed.main().execMainStart());
    assertThat(failed.main()).isEqualTo(units.status(unit).orElseThrow().main());
    units.resetFailed(unit);
    awaitEvent(new UnitEvent.Removed(unit)::equals);
    assertThat(
            seen.stream()
                .filter(event -> isChangeOf(event, unit))
                .map(UnitEventsIT::state)
                .distinct())
        .containsSubsequence("active/running", "failed/failed");
  }

  @Test
  void theEndOfAServiceThatRemainsIsTold() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "sleep 0.2").remainAfterExit(true).build(), SOON);
    UnitStatusChange ended = awaitChange(unit, change -> change.main().ended());
    assertThat(ended.activeState()).isEqualTo(ActiveState.ACTIVE);
    assertThat(ended.subState()).isEqualTo("exited");
    assertThat(ended.main().exitCode()).isZero();
  }

  @Test
  void aServiceThatEndsWellIsToldWithItsExitBeforeItIsGone() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "sleep 0.2").build(), SOON);
    UnitStatusChange ended =
        awaitChange(unit, change -> change.activeState() == ActiveState.INACTIVE);
    assertThat(ended.main().exitCode()).isZero();
    awaitEvent(new UnitEvent.Removed(unit)::equals);
  }

  @Test
  void theSameChangeIsNotToldTwiceInARow() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "sleep 0.2; exit 1").build(), SOON);
    awaitChange(unit, change -> change.activeState() == ActiveState.FAILED);
    units.resetFailed(unit);
    awaitEvent(new UnitEvent.Removed(unit)::equals);
    List<UnitEvent> changes = seen.stream().filter(event -> isChangeOf(event, unit)).toList();
    for (int i = 1; i < changes.size(); i++) {
      assertThat(changes.get(i)).isNotEqualTo(changes.get(i - 1));
    }
  }

  @Test
  void unitsOfOtherNamesAreNotTold() {
    UnitName other = UnitName.of("other-" + UUID.randomUUID() + ".service");
    UnitName unit = name("ctr");
    made.add(other);
    units.start(shell(other, "exec sleep 1000").build(), SOON);
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    awaitChange(unit, change -> change.subState().equals("running"));
    assertThat(seen).noneMatch(event -> isChangeOf(event, other));
  }

  @Test
  void aListenerMayStartUnitsItself() {
    UnitName first = name("ctr");
    UnitName second = name("ctr");
    try (Units.Listening _ =
        units.listen(
            List.of(first.value()),
            event -> {
              if (event instanceof UnitEvent.Changed changed
                  && changed.change().activeState() == ActiveState.FAILED) {
                units.start(shell(second, "exec sleep 1000").build(), SOON);
              }
            })) {
      units.start(shell(first, "exit 1").build(), SOON);
      awaitChange(second, change -> change.subState().equals("running"));
    }
  }

  @Test
  void aListenerThatFailsDoesNotKeepEventsFromOthers() {
    UnitName unit = name("ctr");
    try (Units.Listening _ =
        units.listen(event -> {
          throw new IllegalStateException("on purpose");
        })) {
      listening.close();
      listening = units.listen(events::add);
      units.start(shell(unit, "exec sleep 1000").build(), SOON);
      awaitChange(unit, change -> change.subState().equals("running"));
    }
  }

  @Test
  void aDaemonReloadRemovesNothing() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    for (int i = 0; i < 3; i++) {
      Command.of("systemctl", "daemon-reload").runChecked();
    }
    units.kill(unit, KillWho.MAIN, 9);
    awaitChange(unit, change -> change.activeState() == ActiveState.FAILED);
    assertThat(seen).doesNotContain(new UnitEvent.Removed(unit));
    units.resetFailed(unit);
    awaitEvent(new UnitEvent.Removed(unit)::equals);
  }

  @Test
  void aSignalThatIsNotSystemdsIsIgnored() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    awaitChange(unit, change -> change.subState().equals("running"));
    Command.of(
            "busctl",
            "emit",
            "/org/freedesktop/systemd1/unit/" + unit.busLabel(),
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            "sa{sv}as",
            "org.freedesktop.systemd1.Unit",
            "2",
            "ActiveState",
            "s",
            "failed",
            "SubState",
            "s",
            "forged",
            "0")
        .runChecked();
    units.stop(unit, SOON);
    awaitEvent(new UnitEvent.Removed(unit)::equals);
    assertThat(seen.stream().filter(event -> isChangeOf(event, unit)).map(UnitEventsIT::state))
        .noneMatch(state -> state.contains("forged"));
  }

  @Test
  void aLostBusIsMadeAgainAndEventsGoOn() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    killBus();
    awaitEvent(new UnitEvent.Disconnected()::equals);
    // waits for the bus, and reads from the new one
    assertThat(units.status(unit).orElseThrow().subState()).isEqualTo("running");
    awaitEvent(new UnitEvent.Reconnected()::equals);
    units.kill(unit, KillWho.MAIN, 9);
    UnitStatusChange failed =
        awaitChange(unit, change -> change.activeState() == ActiveState.FAILED);
    assertThat(failed.main().exitCode()).isEqualTo(137);
    UnitName after = name("ctr");
    units.start(shell(after, "exec sleep 1000").build(), SOON);
  }

  @Test
  void aStartThatIsAwaitedWhileTheBusIsLostComesToItsEnd() throws Exception {
    UnitName ends = name("ctr");
    UnitName fails = name("ctr");
    UnitName goesOn = name("ctr");
    Path soon = directory.resolve("soon");
    Path later = directory.resolve("later");
    Thread first = Thread.startVirtualThread(() -> events.add(outcome(ends, once(soon))));
    Thread second =
        Thread.startVirtualThread(() -> events.add(outcome(fails, once(soon) + "; exit 1")));
    Thread third = Thread.startVirtualThread(() -> events.add(outcome(goesOn, once(later))));
    for (UnitName unit : List.of(ends, fails, goesOn)) {
      Awaitility.await()
          .until(() ->
              units
                  .status(unit)
                  .filter(status -> status.subState().equals("start-pre"))
                  .isPresent());
    }
    killBus();
    Files.createFile(soon);
    awaitEvent(new UnitEvent.Reconnected()::equals);
    Files.createFile(later);
    first.join();
    second.join();
    third.join();
    events.drainTo(seen);
    assertThat(seen)
        .contains(
            new UnitEvent.Changed(
                new UnitStatusChange(ends, ActiveState.ACTIVE, "started", nothing())),
            new UnitEvent.Changed(
                new UnitStatusChange(fails, ActiveState.FAILED, "failed", nothing())),
            new UnitEvent.Changed(
                new UnitStatusChange(goesOn, ActiveState.ACTIVE, "started", nothing())));
  }

  @Test
  void systemdExecutingItselfAgainIsSurvived() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    Command.of("systemctl", "daemon-reexec").runChecked();
    awaitEvent(new UnitEvent.Reconnected()::equals);
    assertThat(units.status(unit).orElseThrow().subState()).isEqualTo("running");
    units.kill(unit, KillWho.MAIN, 9);
    awaitChange(unit, change -> change.activeState() == ActiveState.FAILED);
  }

  private final List<UnitEvent> seen = new ArrayList<>();

  /** Shell that waits until the file is there. */
  private static String once(Path file) {
    return "until [ -e %s ]; do sleep 0.02; done".formatted(file);
  }

  /**
   * Starts a unit whose start takes a while, and puts the outcome into an event of the test's own.
   */
  private static UnitEvent outcome(UnitName unit, String before) {
    try {
      units.start(
          shell(unit, "exec sleep 1000")
              .execStartPre(List.of("/bin/sh", "-c", before), false)
              .build(),
          SOON);
      return new UnitEvent.Changed(
          new UnitStatusChange(unit, ActiveState.ACTIVE, "started", nothing()));
    } catch (UnitException failure) {
      return new UnitEvent.Changed(
          new UnitStatusChange(unit, ActiveState.FAILED, failure.jobResult(), nothing()));
    }
  }

  private static MainProcess nothing() {
    return Wire.mainProcess(java.util.Map.of());
  }

  private UnitStatusChange awaitChange(UnitName unit, Predicate<UnitStatusChange> wanted) {
    UnitEvent event =
        awaitEvent(each ->
            each instanceof UnitEvent.Changed changed
                && changed.change().unit().equals(unit)
                && wanted.test(changed.change()));
    return ((UnitEvent.Changed) event).change();
  }

  private UnitEvent awaitEvent(Predicate<UnitEvent> wanted) {
    long end = System.nanoTime() + SOON.toNanos();
    try {
      while (true) {
        UnitEvent event = events.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
        if (event == null) {
          throw new AssertionError("it was not told; what was told: " + seen);
        }
        seen.add(event);
        if (wanted.test(event)) {
          return event;
        }
      }
    } catch (InterruptedException interrupted) {
      throw new AssertionError(interrupted);
    }
  }

  private static boolean isChangeOf(UnitEvent event, UnitName unit) {
    return event instanceof UnitEvent.Changed changed && changed.change().unit().equals(unit);
  }

  private static String state(UnitEvent event) {
    return event instanceof UnitEvent.Changed changed
        ? changed.change().activeState().word() + "/" + changed.change().subState()
        : event.toString();
  }

  /** Ends the bus as a crash would. systemd starts it again when somebody connects. */
  private static void killBus() {
    String pid =
        Command.of("systemctl", "show", "-P", "MainPID", "dbus.service")
            .runChecked()
            .text()
            .strip();
    assertThat(Path.of("/proc", pid)).exists();
    Command.of("kill", "-9", pid).runChecked();
  }

  private UnitName name(String kind) {
    UnitName unit =
        UnitName.readable(
            kind, List.of("test"), UUID.randomUUID().toString().replace("-", ""), "service");
    made.add(unit);
    return unit;
  }

  private static TransientUnit.ServiceBuilder shell(UnitName unit, String script) {
    return TransientUnit.service(unit)
        .type(ServiceType.EXEC)
        .execStart(List.of("/bin/sh", "-c", script), false);
  }
}
