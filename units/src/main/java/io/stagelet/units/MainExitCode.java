package io.stagelet.units;

/**
 * How a service's main process ended ({@code si_code} of {@code waitid(2)}, in {@code
 * ExecMainCode}).
 */
public enum MainExitCode {
  /** It has not ended, or there was none. */
  NONE(0),
  /** It exited by itself; the status is its exit code. */
  EXITED(1),
  /** It was killed; the status is the signal's number. */
  KILLED(2),
  /** It was killed and dumped its core; the status is the signal's number. */
  DUMPED(3),
  /** A code that this version of Stagelet does not know. */
  OTHER(-1);

  private final int number;

  MainExitCode(int number) {
    this.number = number;
  }

  static MainExitCode of(int number) {
    for (MainExitCode code : values()) {
      if (code.number == number) {
        return code;
      }
    }
    return OTHER;
  }
}
