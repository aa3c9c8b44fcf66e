package io.stagelet.cri;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import io.stagelet.stage0.spi.ContainerPlan;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that is stored of a container, and what CRI must give back of it.
 *
 * @param plan what its stage1 was told
 * @param attempt which attempt kubelet says this is
 * @param image the image as the user named it
 * @param imageId the id it had when the container was made
 * @param imageReference the same image by digest
 * @param logPath the log file's path; absent for none
 * @param mounts as kubelet asked for them
 * @param stdinOnce whether its input ends with the first client that was attached to it
 * @param stopSignal such as {@code SIGTERM}
 */
record ContainerRecord(
    ContainerPlan plan,
    int attempt,
    String image,
    String imageId,
    String imageReference,
    Optional<Path> logPath,
    List<MountRecord> mounts,
    boolean stdinOnce,
    String stopSignal,
    Map<String, String> labels,
    Map<String, String> annotations,
    Instant createdAt,
    Life life) {
  ContainerRecord {
    mounts = List.copyOf(mounts);
    labels = Map.copyOf(labels);
    annotations = Map.copyOf(annotations);
  }

  /**
   * A mount as kubelet asked for it.
   *
   * @param hostPath for an image volume: where the server mounts it
   * @param mapped whether it has the ids of the pod's user namespace
   * @param image what is mounted instead of a host path; absent for a host path
   * @param options further ones, as {@code mount(8)} calls them
   */
  record MountRecord(
      String hostPath,
      String containerPath,
      boolean readOnly,
      boolean recursiveReadOnly,
      boolean relabel,
      String propagation,
      boolean mapped,
      Optional<ImageVolume> image,
      List<String> options) {
    MountRecord {
      options = options == null ? List.of() : List.copyOf(options);
    }

    MountRecord at(String otherHostPath, Optional<ImageVolume> otherImage) {
      return new MountRecord(
          otherHostPath,
          containerPath,
          readOnly,
          recursiveReadOnly,
          relabel,
          propagation,
          mapped,
          otherImage,
          options);
    }
  }

  /**
   * An image that is mounted as a volume.
   *
   * @param image as kubelet names it
   * @param userImage as the user names it
   * @param id the image's id; empty until it was looked up
   * @param subPath what of it; empty for all
   */
  record ImageVolume(String image, String userImage, String id, String subPath) {}

  /**
   * Where a container is in its life.
   *
   * <pre>
   *               start                 its first process ends
   *   Created ─────────────▶ Running ───────────────────────────▶ Exited ──▶ (removed)
   *      └── it cannot be run: exit code 128, StartError ────────────▲
   * </pre>
   */
  @JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "state")
  @JsonSubTypes({
    @JsonSubTypes.Type(value = Created.class, name = "created"),
    @JsonSubTypes.Type(value = Running.class, name = "running"),
    @JsonSubTypes.Type(value = Exited.class, name = "exited")
  })
  sealed interface Life {}

  /** Made, not started. */
  record Created() implements Life {}

  /** Started. */
  record Running(Instant startedAt) implements Life {}

  /**
   * Ended.
   *
   * @param reason one of Completed, Error, OOMKilled, StartError, Unknown
   * @param message why, in words; empty when the reason says it all
   */
  record Exited(
      int exitCode, String reason, String message, Optional<Instant> startedAt, Instant finishedAt)
      implements Life {}

  ContainerRecord with(ContainerPlan other) {
    return new ContainerRecord(
        other,
        attempt,
        image,
        imageId,
        imageReference,
        logPath,
        mounts,
        stdinOnce,
        stopSignal,
        labels,
        annotations,
        createdAt,
        life);
  }

  ContainerRecord with(Life other) {
    return new ContainerRecord(
        plan,
        attempt,
        image,
        imageId,
        imageReference,
        logPath,
        mounts,
        stdinOnce,
        stopSignal,
        labels,
        annotations,
        createdAt,
        other);
  }
}
