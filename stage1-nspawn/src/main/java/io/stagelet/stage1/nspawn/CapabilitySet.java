package io.stagelet.stage1.nspawn;

import io.stagelet.linux.CapabilityNames;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Collection;
import java.util.Locale;

/** Capabilities as bits and as words ({@code capabilities(7)}). */
final class CapabilitySet {
  private static final String PREFIX = "CAP_";

  private CapabilitySet() {}

  /** One bit for each. */
  static long bits(Collection<String> capabilities) {
    long bits = 0;
    for (String capability : capabilities) {
      int number = CapabilityNames.ALL.indexOf(capability.replace(PREFIX, ""));
      if (number < 0) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "the stage1 nspawn does not know the capability " + capability);
      }
      bits |= 1L << number;
    }
    return bits;
  }

  /** As {@code setpriv(1)} takes a whole set: first none, then each of these. */
  static String words(Collection<String> capabilities) {
    StringBuilder words = new StringBuilder("-all");
    capabilities.forEach(capability ->
        words.append(",+").append(capability.replace(PREFIX, "").toLowerCase(Locale.ROOT)));
    return words.toString();
  }
}
