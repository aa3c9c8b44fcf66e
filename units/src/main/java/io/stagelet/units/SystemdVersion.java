package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The version of the systemd that runs.
 *
 * @param major such as 257
 * @param full as it says it, such as {@code 257.13-1~deb13u1}
 */
public record SystemdVersion(int major, String full) {
  private static final Pattern NUMBER = Pattern.compile("^v?(\\d{1,6})");

  static SystemdVersion parse(String full) {
    Matcher number = NUMBER.matcher(full);
    if (!number.find()) {
      throw new StageletException(
          ErrorCode.UNIMPLEMENTED,
          "systemd calls its version '%s', which has no number".formatted(full));
    }
    return new SystemdVersion(Integer.parseInt(number.group(1)), full);
  }
}
