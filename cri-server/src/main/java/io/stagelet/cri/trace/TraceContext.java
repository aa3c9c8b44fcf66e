package io.stagelet.cri.trace;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A span by its ids, as W3C's header {@code traceparent} has it.
 *
 * @param traceId 32 hexadecimal digits
 * @param spanId 16 hexadecimal digits
 * @param sampled whether whoever began the trace records it
 */
public record TraceContext(String traceId, String spanId, boolean sampled) {
  /** Later versions may have more at the end; version ff is none. */
  private static final Pattern TRACEPARENT =
      Pattern.compile("(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?");

  private static final Pattern NOTHING = Pattern.compile("0+");
  private static final int HEXADECIMAL = 16;

  /** What a caller says; empty when it says nothing that can be read. */
  static Optional<TraceContext> of(String traceparent) {
    Matcher parts = TRACEPARENT.matcher(traceparent.strip());
    if (!parts.matches()
        || NOTHING.matcher(parts.group(1)).matches()
        || NOTHING.matcher(parts.group(2)).matches()) {
      return Optional.empty();
    }
    boolean sampled = (Integer.parseInt(parts.group(3), HEXADECIMAL) & 1) == 1;
    return Optional.of(new TraceContext(parts.group(1), parts.group(2), sampled));
  }
}
