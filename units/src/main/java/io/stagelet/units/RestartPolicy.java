package io.stagelet.units;

/**
 * When systemd starts a service again by itself ({@code Restart=} of {@code systemd.service(5)}).
 */
public enum RestartPolicy {
  /** Never. */
  NO("no"),
  /** When it ended well. */
  ON_SUCCESS("on-success"),
  /** When it failed. */
  ON_FAILURE("on-failure"),
  /** When it was killed, or did not answer in time. */
  ON_ABNORMAL("on-abnormal"),
  /** When it was killed by a signal. */
  ON_ABORT("on-abort"),
  /** Whenever it ended by itself. */
  ALWAYS("always");

  private final String word;

  RestartPolicy(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
