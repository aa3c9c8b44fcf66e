package io.stagelet.units;

/**
 * A unit in a list.
 *
 * @param name its name
 * @param description its description, for people
 * @param loadState whether its definition was loaded
 * @param activeState its state
 * @param subState its state in its type's own words
 */
public record UnitSummary(
    UnitName name,
    String description,
    LoadState loadState,
    ActiveState activeState,
    String subState) {}
