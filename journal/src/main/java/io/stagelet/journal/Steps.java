package io.stagelet.journal;

/**
 * Hears of each step of a delivery right after it was done, and before anything follows. The tests
 * stop the relay there, as a kill would.
 */
@FunctionalInterface
interface Steps {
  /** A step that leaves a trace outside of this program's memory. */
  enum Step {
    READ,
    FILE_ANNOUNCED,
    FILE_APPENDED,
    ENTRY_ANNOUNCED,
    ENTRY_SENT,
    RECORDED,
    RELEASED
  }

  /** Nobody listens. */
  Steps UNHEARD = step -> {};

  void done(Step step);
}
