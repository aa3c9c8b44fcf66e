package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What all parts of the store do with its files. */
final class StoreFiles {
  private StoreFiles() {}

  /** What is in a directory. */
  static List<Path> children(Path directory) throws IOException {
    try (Stream<Path> paths = Files.list(directory)) {
      return paths.toList();
    }
  }

  /**
   * The exception for what could not be done.
   *
   * @param verb what was done to {@code path}: "write"
   */
  static StageletException failed(String verb, Path path, IOException failure) {
    return new StageletException(
        StageletException.reason(failure).contains("No space left")
            ? ErrorCode.RESOURCE_EXHAUSTED
            : ErrorCode.INTERNAL,
        "could not %s %s: %s".formatted(verb, path, StageletException.reason(failure)),
        failure);
  }
}
