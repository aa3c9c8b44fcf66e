package io.stagelet.cri.command;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** An entry of the journal as it was read; of a field that comes twice, the last. */
final class RecordedEntry {
  private static final byte[] NOTHING = {};

  private final Map<String, byte[]> fields;

  RecordedEntry(Map<String, byte[]> fields) {
    this.fields = new HashMap<>(fields);
  }

  /** A field as text; empty when it is not there. */
  String text(String name) {
    return new String(bytes(name), StandardCharsets.UTF_8);
  }

  /** A field's bytes; none when it is not there. */
  byte[] bytes(String name) {
    byte[] value = fields.get(name);
    return value == null ? NOTHING : value.clone();
  }

  boolean has(String name) {
    return fields.containsKey(name);
  }

  /** A field as a whole number. */
  Optional<Integer> number(String name) {
    String digits = text(name);
    return digits.matches("[0-9]{1,9}") ? Optional.of(Integer.valueOf(digits)) : Optional.empty();
  }

  /** When it was said, by whoever said it; otherwise when journald heard it. */
  Instant time() {
    String microseconds = text("_SOURCE_REALTIME_TIMESTAMP");
    if (!microseconds.matches("[0-9]{1,18}")) {
      microseconds = text("__REALTIME_TIMESTAMP");
    }
    long since = microseconds.matches("[0-9]{1,18}") ? Long.parseLong(microseconds) : 0;
    return Instant.ofEpochSecond(since / 1_000_000, since % 1_000_000 * 1_000);
  }
}
