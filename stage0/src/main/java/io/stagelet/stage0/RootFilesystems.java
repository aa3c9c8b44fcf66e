package io.stagelet.stage0;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.Errno;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.MountFlag;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.OverlayLayers;
import io.stagelet.linux.ProjectQuota;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.SystemCallException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Root filesystems of containers: overlay mounts of an image's layers. An image's layers stay on
 * disk as long as a root filesystem stands on them, whatever becomes of the image; that is kept on
 * disk too.
 *
 * <p>Safe from any thread, for different targets; calls for one target must not overlap.
 */
public final class RootFilesystems {
  private static final Logger LOG = LoggerFactory.getLogger(RootFilesystems.class);
  private static final int PADDING = 2;

  /** Low numbers are for people. */
  private static final int FIRST_PROJECT = 1 << 20;

  private static final int PROJECTS = Integer.MAX_VALUE - FIRST_PROJECT;

  /** What kubelet looks for in the error of a container whose image volume is missing. */
  private static final String IMAGE_VOLUME = "ImageVolumeMountFailed";

  private static final Set<MountFlag> READ_ONLY =
      Set.of(MountFlag.READ_ONLY, MountFlag.NO_SET_USER_ID, MountFlag.NO_DEVICES);

  private final ImageService images;
  private final Path layers;
  private final Path empty;
  private final Path staging;

  RootFilesystems(Path store, ImageService images) {
    this.images = images;
    this.layers = store.resolve("layers");
    this.empty = store.resolve("empty");
    this.staging = store.resolve("staging");
    make(empty);
    make(staging);
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
    mount(image, target, upper, work, Optional.empty());
  }

  /**
   * The same for a container in a user namespace: what the image gives to id {@code inside} belongs
   * to id {@code outside} there. No file is changed for it, but that {@code upper} itself is given
   * to the namespace's root. {@code upper} holds the ids as this machine has them.
   *
   * @throws StageletException {@code UNIMPLEMENTED} when the store's filesystem cannot be mounted
   *     with other ids
   */
  public void mount(
      Image image, Path target, Path upper, Path work, Optional<IdMappings> mappings) {
    mount(image, target, upper, work, mappings, Optional.empty());
  }

  /**
   * The same where SELinux is on.
   *
   * @param label the label of all its files
   */
  public void mount(
      Image image,
      Path target,
      Path upper,
      Path work,
      Optional<IdMappings> mappings,
      Optional<String> label) {
    if (image.artifact()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "image %s %s is an OCI artifact: files for image volumes, and no program that a container could run. Mount it with volumes[].image"
              .formatted(image.id(), image.tags()));
    }
    Path absolute = target.toAbsolutePath().normalize();
    OverlayLayers.Upper writable = new OverlayLayers.Upper(upper, work);
    held(
        image,
        absolute,
        () -> {
          make(absolute);
          make(upper);
          // overlayfs marks it, and refuses it a second time
          ConfinedTree.delete(work);
          make(work);
          count(upper, work);
          mappings.ifPresent(ids -> giveToRoot(upper, ids));
          overlay(image, absolute, Optional.of(writable), mappings, Set.of(), label);
        });
  }

  /** Mounts an image at {@code target}, read-only, with no set-user-id programs and devices. */
  public void mountReadOnly(Image image, Path target) {
    mountReadOnly(image, target, "", Optional.empty());
  }

  /**
   * Mounts what an image has at {@code subPath}, read-only, with no set-user-id programs and
   * devices. {@code target} is made where it is not there: a directory, or a file where the sub
   * path is one.
   *
   * @param subPath relative to the image's root, links followed inside of it; empty for all of it
   * @param mappings for containers in a user namespace
   * @throws StageletException {@code NOT_FOUND}, with the word {@code ImageVolumeMountFailed}, when
   *     the image has no such directory or file
   */
  public void mountReadOnly(
      Image image, Path target, String subPath, Optional<IdMappings> mappings) {
    mountReadOnly(image, target, subPath, mappings, Optional.empty());
  }

  /**
   * The same where SELinux is on.
   *
   * @param label the label of all its files
   */
  public void mountReadOnly(
      Image image,
      Path target,
      String subPath,
      Optional<IdMappings> mappings,
      Optional<String> label) {
    Path absolute = target.toAbsolutePath().normalize();
    held(
        image,
        absolute,
        () -> {
          if (subPath.isEmpty()) {
            make(absolute);
            overlay(image, absolute, Optional.empty(), mappings, READ_ONLY, label);
            return;
          }
          staged(whole -> {
            overlay(image, whole, Optional.empty(), mappings, READ_ONLY, label);
            boolean directory =
                ConfinedFiles.isDirectory(whole, subPath)
                    .orElseThrow(() -> noSubPath(image, subPath));
            if (directory) {
              make(absolute);
            } else {
              makeFile(absolute);
            }
            Mounts.bindConfined(whole, subPath, absolute);
          });
        });
  }

  private static StageletException noSubPath(Image image, String subPath) {
    return new StageletException(
        ErrorCode.NOT_FOUND,
        "%s: image %s %s has no directory or file %s"
            .formatted(IMAGE_VOLUME, image.id(), image.tags(), subPath));
  }

  /** Both in one project: overlayfs moves files from one to the other. */
  private static void count(Path upper, Path work) {
    if (ProjectQuota.assign(upper, project(upper))) {
      boolean _ = ProjectQuota.assign(work, project(upper));
    }
  }

  /** By the path: nothing is to be remembered, and two that agree are one in two billion. */
  private static int project(Path upper) {
    Digest name = Digest.of(upper.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8));
    return FIRST_PROJECT + (int) (Long.parseLong(name.hex().substring(0, 8), 16) % PROJECTS);
  }

  /**
   * Whether root filesystems can be mounted with other ids here; tried on the store's own
   * filesystem, with this kernel.
   */
  public boolean mapsIds() {
    try {
      staged(whole ->
          Mounts.bindIdMapped(
              layers,
              whole,
              new IdMappings(
                  List.of(new IdMapping(0, 65536, 65536)),
                  List.of(new IdMapping(0, 65536, 65536)))));
      return true;
    } catch (StageletException refused) {
      ImageEvent.IDS_NOT_MAPPED
          .on(LOG)
          .log(
              "root filesystems cannot be mounted with other ids here, so that there are no user namespaces: {}",
              StageletException.reason(refused));
      return false;
    }
  }

  /** Runs {@code mounting} with the image's layers kept, unless the target is mounted already. */
  private void held(Image image, Path target, Runnable mounting) {
    // a reference to what is in no directory is taken for an old one
    make(Objects.requireNonNull(target.getParent()));
    try (CleanupStack undo = new CleanupStack()) {
      if (images.hold(image, target)) {
        undo.push("release " + target, () -> images.release(target));
      } else if (isMounted(target)) {
        undo.keep();
        return;
      }
      mounting.run();
      undo.keep();
    }
  }

  private void overlay(
      Image image,
      Path target,
      Optional<OverlayLayers.Upper> upper,
      Optional<IdMappings> mappings,
      Set<MountFlag> flags,
      Optional<String> label) {
    List<Path> lower = padded(images.lower(image), upper.isEmpty());
    if (mappings.isEmpty()) {
      Mounts.overlay(new OverlayLayers(lower, upper, true, label), target, flags);
      return;
    }
    // overlayfs takes a mount of its own of each layer, so this one need not stay
    staged(mapped -> {
      try {
        Mounts.bindIdMapped(layers, mapped, mappings.get());
      } catch (SystemCallException refused) {
        if (refused.errno() != Errno.EINVAL && refused.errno() != Errno.ENOSYS) {
          throw refused;
        }
        throw new StageletException(
            ErrorCode.UNIMPLEMENTED,
            "the filesystem of %s, or this kernel, cannot mount an image with the ids of a user namespace; ext4, xfs and btrfs can since Linux 5.19: %s"
                .formatted(layers, refused.getMessage()),
            refused);
      }
      List<Path> shown =
          lower.stream()
              .map(layer ->
                  layer.startsWith(layers) ? mapped.resolve(layers.relativize(layer)) : layer)
              .toList();
      Mounts.overlay(new OverlayLayers(shown, upper, true, label), target, flags);
    });
  }

  /** Runs {@code work} with a directory to mount something at for a moment. */
  private void staged(Consumer<Path> work) {
    Path place = make(staging.resolve(UUID.randomUUID().toString()));
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("remove " + place, () -> Files.deleteIfExists(place));
      undo.push("unmount " + place, () -> detachAll(place));
      work.accept(place);
    }
  }

  /** What a crash left of {@link #staged}. */
  void removeStaged() {
    try (Stream<Path> left = Files.list(staging)) {
      for (Path place : left.toList()) {
        detachAll(place);
        Files.deleteIfExists(place);
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("clear", staging, failure);
    }
  }

  private static void detachAll(Path place) {
    boolean mounted = true;
    while (mounted) {
      mounted = Mounts.detach(place);
    }
  }

  private static void giveToRoot(Path upper, IdMappings mappings) {
    try {
      Files.setAttribute(upper, "unix:uid", (int) mappings.user(0));
      Files.setAttribute(upper, "unix:gid", (int) mappings.group(0));
    } catch (IOException failure) {
      throw StoreFiles.failed("change the owner of", upper, failure);
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
      throw StoreFiles.failed("make", directory, failure);
    }
  }

  private static void makeFile(Path file) {
    try {
      if (!Files.exists(file)) {
        make(Objects.requireNonNull(file.getParent()));
        Files.createFile(file);
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("make", file, failure);
    }
  }
}
