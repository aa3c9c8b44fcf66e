package io.stagelet.units;

/**
 * Which device nodes a unit may use ({@code DevicePolicy=} of {@code systemd.resource-control(5)}).
 */
public enum DevicePolicy {
  /** All, unless devices are allowed one by one. */
  AUTO("auto"),
  /**
   * The harmless ones ({@code /dev/null}, {@code zero}, {@code full}, {@code random}, {@code
   * urandom}) and those allowed.
   */
  CLOSED("closed"),
  /** Those allowed. */
  STRICT("strict");

  private final String word;

  DevicePolicy(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
