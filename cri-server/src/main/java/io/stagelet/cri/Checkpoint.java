package io.stagelet.cri;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.CheckpointArchive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;

/** Makes the archive of a checkpoint. */
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
    Path parent = archive.getParent();
    if (!archive.isAbsolute()
        || parent == null
        || !Files.isDirectory(parent)
        || Files.exists(archive)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "location '%s' is not an absolute path in a directory that is there, where nothing is yet"
              .formatted(archive));
    }
    Path state = records.directory(container.id());
    Path directory = state.resolve("checkpoint");
    try (CleanupStack cleanup = new CleanupStack()) {
      cleanup.push("remove " + directory, () -> DurableFiles.deleteTree(directory));
      DurableFiles.deleteTree(directory);
      Files.createDirectories(directory.resolve(CheckpointArchive.PROCESSES));
      container
          .stage1()
          .checkpoint(
              container.plan(),
              directory,
              limit.isZero() ? USUAL_LIMIT : limit,
              () -> keepWrittenFiles(state.resolve("upper"), directory));
      Path spec = container.plan().directory().resolve("config.json");
      CheckpointArchive.keepDescription(
          description(container),
          Files.exists(spec) ? Files.readAllBytes(spec) : "{}".getBytes(StandardCharsets.UTF_8),
          directory);
      CheckpointArchive.write(directory, archive);
    } catch (IOException | UncheckedIOException failure) {
      throw new StageletException(
          StageletException.reason(failure).contains("No space left")
              ? ErrorCode.RESOURCE_EXHAUSTED
              : ErrorCode.INTERNAL,
          "the checkpoint of container %s cannot be written to %s: %s"
              .formatted(container.id().shortened(), archive, StageletException.reason(failure)),
          failure);
    }
  }

  private static void keepWrittenFiles(Path upper, Path directory) {
    try {
      CheckpointArchive.keepWrittenFiles(upper, directory);
    } catch (IOException failure) {
      throw new UncheckedIOException(StageletException.reason(failure), failure);
    }
  }

  private byte[] description(Container container) throws IOException {
    ObjectNode description = new ObjectMapper().createObjectNode();
    description.put("id", container.id().value());
    description.put("name", container.plan().name());
    description.put("rootfsImage", container.record().image());
    // without the algorithm, as the others have it
    description.put("rootfsImageRef", container.record().imageId().replaceFirst("^sha256:", ""));
    description.put("rootfsImageName", container.record().image());
    description.put("runtime", container.sandbox().record().handler());
    description.put("createdTime", container.record().createdAt().toString());
    description.put("checkpointedTime", clock.instant().toString());
    description.put("restored", container.plan().checkpoint().isPresent());
    return new ObjectMapper().writeValueAsBytes(description);
  }
}
