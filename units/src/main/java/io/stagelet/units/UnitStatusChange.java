package io.stagelet.units;

/**
 * The state of a unit after something of it changed.
 *
 * @param unit which
 * @param activeState its state
 * @param subState its state in its type's own words
 * @param main the service and its main process: how and when it ended, once it has
 */
public record UnitStatusChange(
    UnitName unit, ActiveState activeState, String subState, MainProcess main) {}
