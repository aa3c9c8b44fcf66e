package io.stagelet.linux;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What an overlay filesystem is made of.
 *
 * @param lower the read-only directories, topmost first; at least one, and two where there is no
 *     upper
 * @param upper where changes go; without it the mount is read-only
 * @param temporary whether the upper directory need not outlive a crash of the machine: nothing is
 *     flushed to the disk then ({@code volatile}), and the upper directory cannot be mounted a
 *     second time
 * @param label the SELinux label that all its files have; absent for those on the disk
 */
public record OverlayLayers(
    List<Path> lower, Optional<Upper> upper, boolean temporary, Optional<String> label) {
  /** One whose files have the labels that they have on the disk. */
  public OverlayLayers(List<Path> lower, Optional<Upper> upper, boolean temporary) {
    this(lower, upper, temporary, Optional.empty());
  }

  /**
   * The writable part.
   *
   * @param directory where changes are kept
   * @param work an empty directory on the same filesystem, for overlayfs alone
   */
  public record Upper(Path directory, Path work) {}

  public OverlayLayers {
    lower = List.copyOf(lower);
    if (lower.size() < (upper.isPresent() ? 1 : 2)) {
      throw new IllegalArgumentException(
          "an overlay has at least two layers, this one has %d lower ones".formatted(lower.size()));
    }
  }
}
