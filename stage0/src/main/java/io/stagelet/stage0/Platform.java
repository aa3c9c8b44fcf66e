package io.stagelet.stage0;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * What an image is made for.
 *
 * @param os in Go's words ({@code linux})
 * @param architecture in Go's words ({@code amd64}, {@code arm64})
 * @param variant {@code v8}, {@code v3}; empty where there is only one
 */
public record Platform(String os, String architecture, String variant) {
  /** The machine this runs on. */
  public static Platform host() {
    String arch = System.getProperty("os.arch", "");
    String architecture =
        switch (arch) {
          case "x86_64" -> "amd64";
          case "aarch64" -> "arm64";
          default -> arch;
        };
    return new Platform("linux", architecture, "");
  }

  /**
   * Which of an index's entries suits this platform best: the plainest variant of it, or else one
   * that does not say what it is for.
   */
  Optional<ImageIndex.Entry> choose(List<ImageIndex.Entry> entries) {
    return entries.stream()
        .filter(entry -> entry.platform().map(this::suits).orElse(true))
        .min(
            Comparator.comparingInt(
                entry -> entry.platform().map(Platform::plainness).orElse(Integer.MAX_VALUE)));
  }

  private boolean suits(Platform other) {
    return os.equals(other.os) && architecture.equals(other.architecture);
  }

  /** Every machine of an architecture runs its first variant; arm64 starts with v8. */
  private int plainness() {
    String lowest = architecture.equals("arm64") ? "v8" : "v1";
    if (variant.isEmpty() || variant.equals(lowest)) {
      return 0;
    }
    return variant.matches("v[0-9]{1,3}") ? Integer.parseInt(variant.substring(1)) : 1000;
  }

  /** {@code linux/arm64/v8}. */
  @Override
  public String toString() {
    return os + "/" + architecture + (variant.isEmpty() ? "" : "/" + variant);
  }
}
