package io.stagelet.cri.trace;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A piece of work that is over.
 *
 * @param parent the id of the span it was a part of
 * @param failure why it failed; empty when it did not
 */
public record Span(
    TraceContext context,
    Optional<String> parent,
    String name,
    Kind kind,
    Instant begin,
    Duration took,
    Map<String, String> attributes,
    Optional<String> failure) {
  /** Whose work it was. */
  public enum Kind {
    /** A part of a call. */
    INTERNAL(1),
    /** A call that was answered. */
    SERVER(2);

    private final int number;

    Kind(int number) {
      this.number = number;
    }

    int number() {
      return number;
    }
  }

  /** The attributes in their order. */
  public Span {
    attributes = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(attributes));
  }
}
