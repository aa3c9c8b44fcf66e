package io.stagelet.cri.streaming;

/** How a command session ends. */
public sealed interface Ending {
  /**
   * The process ended.
   *
   * @param exitCode 128 + n when signal n ended it
   */
  record Exited(int exitCode) implements Ending {}

  /**
   * It could not be run, or the session could not go on.
   *
   * @param message why, for the user
   */
  record Failed(String message) implements Ending {}
}
