package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ConfinedFiles;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Where a container's program is looked for. */
final class ProgramSearch {
  private ProgramSearch() {}

  /**
   * Why there can be no such program, in the kernel's words; empty when there is something of its
   * name.
   *
   * @param root the container's root directory, as this process reaches it
   */
  static Optional<String> failure(
      Path root, String program, String workingDirectory, Map<String, String> environment) {
    List<Boolean> found =
        places(program, workingDirectory, environment)
            .flatMap(place -> ConfinedFiles.isDirectory(root, place).stream())
            .toList();
    if (found.isEmpty()) {
      return Optional.of("no such file or directory");
    }
    return found.contains(false) ? Optional.empty() : Optional.of("it is a directory");
  }

  private static Stream<String> places(
      String program, String workingDirectory, Map<String, String> environment) {
    if (program.contains("/")) {
      return Stream.of(Path.of(workingDirectory).resolve(program).toString());
    }
    return Arrays.stream(environment.getOrDefault("PATH", "").split(":"))
        .filter(folder -> folder.startsWith("/"))
        .map(folder -> folder + "/" + program);
  }
}
