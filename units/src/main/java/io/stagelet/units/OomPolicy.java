package io.stagelet.units;

/**
 * What follows when a process of a unit is killed for lack of memory ({@code OOMPolicy=} of {@code
 * systemd.service(5)}).
 */
public enum OomPolicy {
  /** Nothing more. */
  CONTINUE("continue"),
  /** The unit is stopped, with the result {@code oom-kill}. */
  STOP("stop"),
  /** The kernel kills all its processes, and the unit fails with the result {@code oom-kill}. */
  KILL("kill");

  private final String word;

  OomPolicy(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
