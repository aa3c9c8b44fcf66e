package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.List;
import java.util.Locale;

/** Signals by name ({@code signal(7)}; the numbers of x86-64 and arm64). */
final class Signals {
  private static final int FIRST_REAL_TIME = 34; // as the GNU C library has it
  private static final int LAST = 64;
  private static final List<String> NAMES =
      List.of(
          "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
          "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
          "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS");

  private Signals() {}

  /**
   * The number of a signal that an image or a pod names: {@code SIGTERM}, {@code TERM}, {@code
   * SIGRTMIN+3} or {@code 15}.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is none
   */
  static int number(String name) {
    String bare = name.toUpperCase(Locale.ROOT).replaceFirst("^SIG", "");
    int number = NAMES.indexOf(bare);
    if (bare.matches("[0-9]{1,2}")) {
      number = Integer.parseInt(bare);
    } else if (bare.matches("RTMIN(\\+[0-9]{1,2})?")) {
      number = FIRST_REAL_TIME + offset(bare);
    } else if (bare.matches("RTMAX(-[0-9]{1,2})?")) {
      number = LAST - offset(bare);
    }
    if (number <= 0 || number > LAST) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "'%s' is not a signal; signal(7) lists them".formatted(name));
    }
    return number;
  }

  /** The name that CRI has for a signal, such as {@code SIGTERM}. */
  static String name(int number) {
    if (number < NAMES.size()) {
      return "SIG" + NAMES.get(number);
    }
    int middle = FIRST_REAL_TIME + 15;
    if (number == FIRST_REAL_TIME) {
      return "SIGRTMIN";
    }
    if (number == LAST) {
      return "SIGRTMAX";
    }
    return number <= middle
        ? "SIGRTMIN+" + (number - FIRST_REAL_TIME)
        : "SIGRTMAX-" + (LAST - number);
  }

  private static int offset(String name) {
    return name.length() == 5 ? 0 : Integer.parseInt(name.substring(6));
  }
}
