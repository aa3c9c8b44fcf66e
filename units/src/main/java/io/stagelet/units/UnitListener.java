package io.stagelet.units;

/** Whoever wants to know what becomes of units; see {@link Units#listen}. */
@FunctionalInterface
public interface UnitListener {
  /**
   * Takes an event. Called by one thread, one event at a time, in the order in which systemd told
   * them; while it works, later events wait, for all listeners. It may call {@link Units}.
   */
  void on(UnitEvent event);
}
