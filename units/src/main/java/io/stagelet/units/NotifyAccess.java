package io.stagelet.units;

/**
 * Who may send notifications for a service ({@code NotifyAccess=} of {@code systemd.service(5)}).
 */
public enum NotifyAccess {
  /** Nobody. */
  NONE("none"),
  /** The main process. */
  MAIN("main"),
  /** The main process and those of the service's commands. */
  EXEC("exec"),
  /** Every process of the unit. */
  ALL("all");

  private final String word;

  NotifyAccess(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
