package io.stagelet.units;

/** Something a {@link UnitListener} is told. */
public sealed interface UnitEvent {
  /**
   * A unit's state changed. Every change up to its last is told in order, but several at once may
   * come as one.
   */
  record Changed(UnitStatusChange change) implements UnitEvent {}

  /** systemd has forgotten a unit; nothing more can be read of it. */
  record Removed(UnitName unit) implements UnitEvent {}

  /** The bus is lost; what happens now is not told. */
  record Disconnected() implements UnitEvent {}

  /**
   * The bus is back, and everything is to be read again: a unit may have changed or gone in
   * between.
   */
  record Reconnected() implements UnitEvent {}
}
