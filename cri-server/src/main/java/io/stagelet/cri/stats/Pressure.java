package io.stagelet.cri.stats;

/**
 * How long tasks waited for a resource (the kernel's PSI).
 *
 * @param some while at least one task waited
 * @param full while all of them did
 */
public record Pressure(Stall some, Stall full) {
  /** No pressure, or none that is accounted. */
  public static final Pressure NONE = new Pressure(Stall.NONE, Stall.NONE);

  /**
   * A line of it.
   *
   * @param average10 percent of the last ten seconds
   * @param average60 of the last minute
   * @param average300 of the last five minutes
   * @param totalMicroseconds since the cgroup was made
   */
  public record Stall(
      double average10, double average60, double average300, long totalMicroseconds) {
    /** None. */
    public static final Stall NONE = new Stall(0, 0, 0, 0);
  }

  /** Reads {@code cpu.pressure} and its like; what is not there is zero. */
  static Pressure parse(String text) {
    Stall some = Stall.NONE;
    Stall full = Stall.NONE;
    for (String line : text.lines().toList()) {
      if (line.startsWith("some ")) {
        some = stall(line);
      } else if (line.startsWith("full ")) {
        full = stall(line);
      }
    }
    return new Pressure(some, full);
  }

  private static Stall stall(String line) {
    return new Stall(
        percent(line, "avg10="),
        percent(line, "avg60="),
        percent(line, "avg300="),
        Keyed.number(value(line, "total=")).orElse(0));
  }

  private static double percent(String line, String name) {
    try {
      return Double.parseDouble(value(line, name));
    } catch (NumberFormatException none) {
      return 0;
    }
  }

  private static String value(String line, String name) {
    int at = line.indexOf(name);
    if (at < 0) {
      return "";
    }
    int end = line.indexOf(' ', at);
    return line.substring(at + name.length(), end < 0 ? line.length() : end);
  }
}
