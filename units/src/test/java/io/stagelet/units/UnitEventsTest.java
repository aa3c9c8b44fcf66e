package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.freedesktop.dbus.types.UInt32;
import org.freedesktop.dbus.types.Variant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class UnitEventsTest {
  private static final String UNIT = "org.freedesktop.systemd1.Unit";
  private static final String SERVICE = "org.freedesktop.systemd1.Service";
  private static final UnitName A = UnitName.of("ctr-a.service");
  private static final UnitName B = UnitName.of("ctr-b.service");

  private final BlockingQueue<UnitEvent> told = new LinkedBlockingQueue<>();
  private final Set<UnitName> existing = new java.util.HashSet<>();
  private final UnitEvents events = new UnitEvents(existing::contains);

  @BeforeEach
  void listen() {
    events.add(List.of("ctr-"), told::add);
  }

  @AfterEach
  void close() {
    events.close();
  }

  @Test
  void theTwoSignalsOfAChangeBecomeOneEvent() throws Exception {
    events.propertiesChanged(
        A.busLabel(), SERVICE, Map.of("MainPID", new Variant<>(new UInt32(7), "u")));
    events.propertiesChanged(A.busLabel(), UNIT, state("active", "running"));
    UnitEvent.Changed changed = (UnitEvent.Changed) next();
    assertThat(changed.change().unit()).isEqualTo(A);
    assertThat(changed.change().activeState()).isEqualTo(ActiveState.ACTIVE);
    assertThat(changed.change().subState()).isEqualTo("running");
    assertThat(changed.change().main().mainPid()).isEqualTo(7);
  }

  @Test
  void aSignalThatSaysNothingNewIsNotTold() throws Exception {
    events.propertiesChanged(A.busLabel(), UNIT, state("active", "running"));
    events.propertiesChanged(A.busLabel(), UNIT, state("active", "running"));
    events.propertiesChanged(A.busLabel(), UNIT, Map.of("Job", new Variant<>("x", "s")));
    events.removed(A.busLabel());
    assertThat(next()).isInstanceOf(UnitEvent.Changed.class);
    assertThat(next()).isEqualTo(new UnitEvent.Removed(A));
  }

  @Test
  void aUnitThatIsAboutToStartIsNotToldAsInactive() throws Exception {
    events.propertiesChanged(
        A.busLabel(), SERVICE, Map.of("MainPID", new Variant<>(new UInt32(7), "u")));
    events.propertiesChanged(A.busLabel(), UNIT, state("inactive", "dead"));
    events.propertiesChanged(B.busLabel(), UNIT, state("inactive", "dead"));
    events.propertiesChanged(A.busLabel(), UNIT, state("activating", "start"));
    assertThat(((UnitEvent.Changed) next()).change().subState()).isEqualTo("start");
  }

  @Test
  void aRemovedUnitThatComesAgainIsToldAnew() throws Exception {
    events.propertiesChanged(A.busLabel(), UNIT, state("active", "running"));
    events.removed(A.busLabel());
    events.propertiesChanged(A.busLabel(), UNIT, state("active", "running"));
    UnitEvent first = next();
    assertThat(next()).isEqualTo(new UnitEvent.Removed(A));
    assertThat(next()).isEqualTo(first);
  }

  @Test
  void removalsDuringADaemonReloadAreToldOnlyOfUnitsThatAreGone() throws Exception {
    existing.add(A);
    events.reloading(true);
    events.removed(A.busLabel());
    events.removed(B.busLabel());
    events.reloading(false);
    assertThat(next()).isEqualTo(new UnitEvent.Removed(B));
    events.reconnected();
    assertThat(next()).isEqualTo(new UnitEvent.Reconnected());
  }

  @Test
  void unitsWithOtherPrefixesAreNotTold() throws Exception {
    events.propertiesChanged(
        UnitName.of("other.service").busLabel(), UNIT, state("active", "running"));
    events.removed(UnitName.of("ctr.service").busLabel());
    events.disconnected();
    assertThat(next()).isEqualTo(new UnitEvent.Disconnected());
  }

  private static Map<String, Variant<?>> state(String active, String sub) {
    return Map.of("ActiveState", new Variant<>(active, "s"), "SubState", new Variant<>(sub, "s"));
  }

  private UnitEvent next() throws InterruptedException {
    UnitEvent event = told.poll(5, TimeUnit.SECONDS);
    assertThat(event).isNotNull();
    return java.util.Objects.requireNonNull(event);
  }
}
