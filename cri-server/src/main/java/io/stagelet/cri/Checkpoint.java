package io.stagelet.cri;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Makes the archive of a checkpoint: what {@code checkpointctl} and other runtimes read.
 *
 * <pre>
 *   checkpoint/        the state of the processes, as criu writes it
 *   config.dump        of which image, with which runtime
 *   spec.dump          the container's config.json
 *   rootfs-diff.tar    what the container had written
 * </pre>
 */
final class Checkpoint {
  private static final Duration USUAL_LIMIT = Duration.ofMinutes(10);

  private final Records records;
  private final Clock clock;

  Checkpoint(Records records, Clock clock) {
    this.records = records;
    this.clock = clock;
  }

  /**
   * Makes it; the container runs on. To be called under its sandbox's lock.
   *
   * @param archive an absolute path, where nothing is
   * @param limit zero for the usual one
   */
  void of(Container container, Path archive, Duration limit) {
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "container %s cannot be checkpointed: it does not run"
              .formatted(container.id().shortened()));
    }
    if (!archive.isAbsolute() || Files.exists(archive)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "location '%s' is not an absolute path where nothing is yet".formatted(archive));
    }
    Path state = records.directory(container.id());
    Path directory = state.resolve("checkpoint");
    Path aside = archive.resolveSibling(archive.getFileName() + DurableFiles.ASIDE);
    try (CleanupStack cleanup = new CleanupStack()) {
      cleanup.push("remove " + directory, () -> DurableFiles.deleteTree(directory));
      cleanup.push("remove " + aside, () -> Files.deleteIfExists(aside));
      DurableFiles.deleteTree(directory);
      Path images = Files.createDirectories(directory.resolve("checkpoint"));
      Duration allowed = limit.isZero() ? USUAL_LIMIT : limit;
      container.stage1().checkpoint(container.plan(), images, allowed);
      Files.write(directory.resolve("config.dump"), description(container));
      List<String> names = new ArrayList<>(List.of("checkpoint", "config.dump"));
      Path spec = container.plan().directory().resolve("config.json");
      if (Files.exists(spec)) {
        Files.copy(spec, directory.resolve("spec.dump"), StandardCopyOption.REPLACE_EXISTING);
        names.add("spec.dump");
      }
      tar(directory.resolve("rootfs-diff.tar"), state.resolve("upper"), List.of("."), allowed);
      names.add("rootfs-diff.tar");
      Files.createFile(
          aside,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      tar(aside, directory, names, allowed);
      Files.move(aside, archive, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "the checkpoint of container %s cannot be written to %s: %s"
              .formatted(container.id().shortened(), archive, StageletException.reason(failure)),
          failure);
    }
  }

  private byte[] description(Container container) throws IOException {
    ObjectNode description = new ObjectMapper().createObjectNode();
    description.put("id", container.id().value());
    description.put("name", container.plan().name());
    description.put("rootfsImage", container.record().image());
    description.put("rootfsImageRef", container.record().imageReference());
    description.put("rootfsImageName", container.record().image());
    description.put("runtime", container.sandbox().record().handler());
    description.put("createdTime", container.record().createdAt().toString());
    description.put("checkpointedTime", clock.instant().toString());
    return new ObjectMapper().writeValueAsBytes(description);
  }

  private static void tar(Path archive, Path directory, List<String> names, Duration limit) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "tar",
                "--create",
                "--numeric-owner",
                "--xattrs",
                "--xattrs-include=*",
                "--file=" + archive,
                "--directory=" + directory,
                "--"));
    command.addAll(names);
    var _ = Command.of(command).withDeadline(limit).runChecked();
  }
}
