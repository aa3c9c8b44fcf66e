package io.stagelet.units;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What systemd knows of a service and its main process; of a unit that is no service, all at its
 * defaults.
 *
 * @param result why the service ended as it did
 * @param mainPid the main process now, or 0 when none runs
 * @param execMainPid the main process, also after it has ended; 0 when there was none
 * @param execMainCode how it ended
 * @param execMainStatus its exit code or the number of the signal, as {@code execMainCode} says
 * @param execMainStart when it started, or null
 * @param execMainExit when it ended, or null
 * @param statusText what the service last said of itself with {@code STATUS=} of {@code
 *     sd_notify(3)}; may be empty
 */
public record MainProcess(
    ServiceResult result,
    int mainPid,
    int execMainPid,
    MainExitCode execMainCode,
    int execMainStatus,
    @Nullable Instant execMainStart,
    @Nullable Instant execMainExit,
    String statusText) {
  /** Whether a main process there was has ended. */
  public boolean ended() {
    return execMainCode != MainExitCode.NONE;
  }

  /**
   * The exit code as a shell and CRI count it: the process's own, or 128 and the signal's number.
   *
   * @throws IllegalStateException when it has not ended
   */
  public int exitCode() {
    return switch (execMainCode) {
      case EXITED -> execMainStatus;
      case KILLED, DUMPED -> 128 + execMainStatus;
      case OTHER -> 255;
      case NONE -> throw new IllegalStateException("the main process has not ended");
    };
  }

  /** The signal that ended it, or 0 when none did. */
  public int signal() {
    return switch (execMainCode) {
      case KILLED, DUMPED -> execMainStatus;
      case EXITED, OTHER, NONE -> 0;
    };
  }

  /** In words, for messages. */
  String describe() {
    String end =
        switch (execMainCode) {
          case NONE -> mainPid > 0 ? "main process %d runs".formatted(mainPid) : "no main process";
          case EXITED -> "main process exited with code %d".formatted(execMainStatus);
          case KILLED -> "main process was killed by signal %d".formatted(execMainStatus);
          case DUMPED ->
              "main process was killed by signal %d and dumped core".formatted(execMainStatus);
          case OTHER -> "main process ended in an unknown way";
        };
    return "result %s, %s".formatted(result.word(), end);
  }
}
