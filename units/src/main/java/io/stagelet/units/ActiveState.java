package io.stagelet.units;

/** What state a unit is in ({@code ActiveState} of {@code org.freedesktop.systemd1(5)}). */
public enum ActiveState {
  /** Started. */
  ACTIVE("active"),
  /** Started, and reading its configuration again. */
  RELOADING("reloading"),
  /** Started, and getting new file systems. */
  REFRESHING("refreshing"),
  /** Not started, or ended well. */
  INACTIVE("inactive"),
  /** Ended badly; see {@link ServiceResult}. */
  FAILED("failed"),
  /** On its way up. */
  ACTIVATING("activating"),
  /** On its way down. */
  DEACTIVATING("deactivating"),
  /** Being cleaned. */
  MAINTENANCE("maintenance"),
  /** A word that this version of Stagelet does not know. */
  OTHER("other");

  private final String word;

  ActiveState(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }

  static ActiveState of(String word) {
    for (ActiveState known : values()) {
      if (known.word.equals(word)) {
        return known;
      }
    }
    return OTHER;
  }
}
