package io.stagelet.cri.stats;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;

/** The numbers of a kernel file with a name and a number a line; what is not there is zero. */
record Keyed(Map<String, Long> values) {
  /** So many digits always are a long. */
  private static final int SURELY = 18;

  static Keyed parse(String text) {
    Map<String, Long> values = new HashMap<>();
    int begin = 0;
    while (begin < text.length()) {
      int newline = text.indexOf('\n', begin);
      int end = newline < 0 ? text.length() : newline;
      int space = text.indexOf(' ', begin);
      if (space > begin && space < end) {
        String name = text.substring(begin, space);
        number(text.substring(space + 1, end)).ifPresent(value -> values.put(name, value));
      }
      begin = end + 1;
    }
    return new Keyed(values);
  }

  long get(String name) {
    return values.getOrDefault(name, 0L);
  }

  /** A number; empty for {@code max} and for what is none. */
  static OptionalLong number(String text) {
    String stripped = text.strip();
    int length = stripped.length();
    if (length == 0) {
      return OptionalLong.empty();
    }
    long value = 0;
    for (int i = 0; i < length; i++) {
      int digit = stripped.charAt(i) - '0';
      if (digit < 0 || digit > 9) {
        return OptionalLong.empty();
      }
      value = value * 10 + digit;
    }
    return length <= SURELY ? OptionalLong.of(value) : large(stripped);
  }

  private static OptionalLong large(String digits) {
    try {
      return OptionalLong.of(Long.parseUnsignedLong(digits));
    } catch (NumberFormatException tooLarge) {
      return OptionalLong.empty();
    }
  }
}
