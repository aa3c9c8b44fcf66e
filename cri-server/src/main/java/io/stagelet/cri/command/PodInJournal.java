package io.stagelet.cri.command;

import java.time.Instant;
import java.util.Set;

/**
 * A pod that the journal knows.
 *
 * @param sandboxes the ids of the sandboxes that it had
 * @param units their units
 * @param seen when it was seen last
 */
record PodInJournal(
    String namespace,
    String name,
    String uid,
    Set<String> sandboxes,
    Set<String> units,
    Instant seen) {
  PodInJournal {
    sandboxes = Set.copyOf(sandboxes);
    units = Set.copyOf(units);
  }

  @Override
  public String toString() {
    return namespace + "/" + name;
  }
}
