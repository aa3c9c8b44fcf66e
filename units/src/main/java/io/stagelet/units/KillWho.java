package io.stagelet.units;

/** Whom a signal is for ({@code KillUnit} of {@code org.freedesktop.systemd1(5)}). */
public enum KillWho {
  /** The main process; an error when there is none. */
  MAIN("main"),
  /** The process of the start or stop command that runs; an error when there is none. */
  CONTROL("control"),
  /** All processes of the unit; an error when there are none. */
  ALL("all");

  private final String word;

  KillWho(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
