package io.stagelet.units;

/**
 * Whether systemd could load a unit's definition ({@code LoadState} of {@code
 * org.freedesktop.systemd1(5)}).
 */
public enum LoadState {
  /** It could. */
  LOADED("loaded"),
  /** There is none. */
  NOT_FOUND("not-found"),
  /** It has a mistake. */
  BAD_SETTING("bad-setting"),
  /** It could not be read. */
  ERROR("error"),
  /** The administrator forbade it. */
  MASKED("masked"),
  /** It is another unit's second name. */
  MERGED("merged"),
  /** Not tried yet. */
  STUB("stub"),
  /** A word that this version of Stagelet does not know. */
  OTHER("other");

  private final String word;

  LoadState(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }

  static LoadState of(String word) {
    for (LoadState known : values()) {
      if (known.word.equals(word)) {
        return known;
      }
    }
    return OTHER;
  }
}
