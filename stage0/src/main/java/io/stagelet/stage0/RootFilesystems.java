package io.stagelet.stage0;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.Errno;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountFlag;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.OverlayLayers;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.SystemCallException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Root filesystems of containers: overlay mounts of an image's layers. An image's layers stay on
 * disk as long as a root filesystem stands on them, whatever becomes of the image; that is kept on
 * disk too.
 *
 * <p>Safe from any thread, for different targets; calls for one target must not overlap.
 */
public final class RootFilesystems {
  private static final int PADDING = 2;

  private final ImageService images;
  private final Path empty;

  RootFilesystems(Path store, ImageService images) {
    this.images = images;
    this.empty = store.resolve("empty");
    make(empty);
  }

  /**
   * Mounts an image at {@code target}, writable: changes go to {@code upper}. All three directories
   * are made where they are not there. Nothing of {@code upper} is flushed to the disk: a
   * container's own changes end with the machine. Mounted already, nothing happens.
   *
   * @param upper where changes go, kept when unmounted
   * @param work on the same filesystem as {@code upper}; emptied
   */
  public void mount(Image image, Path target, Path upper, Path work) {
    mount(image, target, Optional.of(new OverlayLayers.Upper(upper, work)), Set.of());
  }

  /** Mounts an image at {@code target}, read-only, with no set-user-id programs and devices. */
  public void mountReadOnly(Image image, Path target) {
    mount(
        image,
        target,
        Optional.empty(),
        Set.of(MountFlag.READ_ONLY, MountFlag.NO_SET_USER_ID, MountFlag.NO_DEVICES));
  }

  private void mount(
      Image image, Path target, Optional<OverlayLayers.Upper> upper, Set<MountFlag> flags) {
    Path absolute = target.toAbsolutePath().normalize();
    try (CleanupStack undo = new CleanupStack()) {
      if (images.hold(image, absolute)) {
        undo.push("release " + absolute, () -> images.release(absolute));
      } else if (isMounted(absolute)) {
        undo.keep();
        return;
      }
      make(absolute);
      upper.ifPresent(writable -> {
        make(writable.directory());
        // overlayfs marks it, and refuses it a second time
        ConfinedTree.delete(writable.work());
        make(writable.work());
      });
      Mounts.overlay(
          new OverlayLayers(padded(images.lower(image), upper.isEmpty()), upper, true),
          absolute,
          flags);
      undo.keep();
    }
  }

  /** Overlayfs wants at least one lower directory, and two of them where there is no upper. */
  private List<Path> padded(List<Path> lower, boolean readOnly) {
    List<Path> padded = new ArrayList<>(lower);
    if (padded.isEmpty() && readOnly) {
      padded.add(make(empty.resolve("upper")));
    }
    if (padded.size() < (readOnly ? PADDING : 1)) {
      padded.add(make(empty.resolve("lower")));
    }
    return padded;
  }

  /**
   * Unmounts the root filesystem at {@code target}, and lets its layers go. Nothing mounted there
   * is fine. Where it is still used, it goes when that ends.
   */
  public void unmount(Path target) {
    Path absolute = target.toAbsolutePath().normalize();
    boolean mounted = true;
    while (mounted) {
      try {
        mounted = Mounts.unmount(absolute);
      } catch (SystemCallException refused) {
        if (refused.errno() != Errno.EBUSY) {
          throw refused;
        }
        mounted = Mounts.detach(absolute);
      }
    }
    images.release(absolute);
  }

  /** Where root filesystems are, or were when the machine or this program went down. */
  public Set<Path> targets() {
    return images.held();
  }

  private static boolean isMounted(Path target) {
    return MountInfo.all().stream().anyMatch(mount -> mount.target().equals(target));
  }

  /** The umask must not keep a container's users out of their root directory. */
  private static Path make(Path directory) {
    try {
      if (!Files.isDirectory(directory)) {
        Files.createDirectories(directory);
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
      }
      return directory;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }
}
