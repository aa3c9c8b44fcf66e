package io.stagelet.units;

/**
 * Which processes of a unit are killed when it is stopped ({@code KillMode=} of {@code
 * systemd.kill(5)}).
 */
public enum KillMode {
  /** All of them. */
  CONTROL_GROUP("control-group"),
  /** The main process first, and all that is left later. */
  MIXED("mixed"),
  /** Only the main process. */
  PROCESS("process"),
  /** None. */
  NONE("none");

  private final String word;

  KillMode(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
