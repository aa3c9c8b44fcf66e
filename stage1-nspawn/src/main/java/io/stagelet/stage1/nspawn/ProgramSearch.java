package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.Errno;
import io.stagelet.linux.SystemCallException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Where a container's program is looked for. */
final class ProgramSearch {
  private ProgramSearch() {}

  /**
   * Why there can be no such program, in the kernel's words; empty when there is a file of its name
   * that somebody may execute.
   *
   * @param root the container's root directory, as this process reaches it
   */
  static Optional<String> failure(
      Path root, String program, String workingDirectory, Map<String, String> environment) {
    List<String> places = new ArrayList<>();
    for (String place : places(program, workingDirectory, environment).toList()) {
      try {
        if (ConfinedFiles.isDirectory(root, place).isPresent()) {
          places.add(place);
        }
      } catch (SystemCallException failure) {
        if (failure.errno() == Errno.EXDEV) {
          // on a volume, which is looked into by the kernel alone
          return Optional.empty();
        }
        throw failure;
      }
    }
    if (places.isEmpty()) {
      return Optional.of("no such file or directory");
    }
    List<String> files =
        places.stream()
            .filter(place -> ConfinedFiles.isDirectory(root, place).filter(is -> is).isEmpty())
            .toList();
    if (files.isEmpty()) {
      return Optional.of("it is a directory");
    }
    return files.stream().allMatch(file -> ConfinedFiles.isNoProgram(root, file))
        ? Optional.of("permission denied (it is not executable)")
        : Optional.empty();
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
