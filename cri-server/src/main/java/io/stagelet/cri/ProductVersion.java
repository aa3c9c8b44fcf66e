package io.stagelet.cri;

/** The version of this build. */
final class ProductVersion {
  private ProductVersion() {}

  /** The package's; without one as the jar's manifest has it; {@code development} without a jar. */
  static String text() {
    String packaged = System.getProperty("stagelet.version", "");
    String built = ProductVersion.class.getPackage().getImplementationVersion();
    return !packaged.isEmpty() ? packaged : built == null ? "development" : built;
  }
}
