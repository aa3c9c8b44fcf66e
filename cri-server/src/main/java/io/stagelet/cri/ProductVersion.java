package io.stagelet.cri;

/** The version of this build. */
final class ProductVersion {
  private ProductVersion() {}

  /** As the jar's manifest has it; {@code development} without a jar. */
  static String text() {
    String version = ProductVersion.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
