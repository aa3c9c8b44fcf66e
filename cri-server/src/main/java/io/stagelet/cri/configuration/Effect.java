package io.stagelet.cri.configuration;

/** When a changed value is taken up. */
public enum Effect {
  /** By {@code systemctl reload stagelet}. */
  RELOAD("reload"),
  /** By {@code systemctl restart stagelet}, which no pod notices. */
  RESTART("restart");

  private final String word;

  Effect(String word) {
    this.word = word;
  }

  /** As the documents say it. */
  public String word() {
    return word;
  }
}
