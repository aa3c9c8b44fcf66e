package io.stagelet.units;

/**
 * When systemd forgets a unit that nothing refers to ({@code CollectMode=} of {@code
 * systemd.unit(5)}).
 */
public enum CollectMode {
  /** When it is inactive; a failed one stays until it is reset. */
  INACTIVE("inactive"),
  /** When it is inactive or failed. */
  INACTIVE_OR_FAILED("inactive-or-failed");

  private final String word;

  CollectMode(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
