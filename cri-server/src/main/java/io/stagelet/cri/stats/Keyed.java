package io.stagelet.cri.stats;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/** The numbers of a kernel file with a name and a number a line; what is not there is zero. */
record Keyed(Map<String, Long> values) {
  static Keyed parse(String text) {
    Map<String, Long> values = new HashMap<>();
    text.lines()
        .forEach(line -> {
          int space = line.indexOf(' ');
          if (space > 0) {
            number(line.substring(space + 1))
                .ifPresent(value -> values.put(line.substring(0, space), value));
          }
        });
    return new Keyed(values);
  }

  long get(String name) {
    return values.getOrDefault(name, 0L);
  }

  /** A number; empty for {@code max} and for what is none. */
  static OptionalLong number(String text) {
    try {
      return OptionalLong.of(Long.parseUnsignedLong(text.strip()));
    } catch (NumberFormatException none) {
      return OptionalLong.empty();
    }
  }
}
