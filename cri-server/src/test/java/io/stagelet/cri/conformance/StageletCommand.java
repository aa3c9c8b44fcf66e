package io.stagelet.cri.conformance;

import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The command {@code stagelet} of this build. */
final class StageletCommand {
  private StageletCommand() {}

  /** Runs it, when all that was sent to the journal is in it; answers the lines it prints. */
  static List<String> run(String... arguments) {
    Command.of("journalctl", "--sync").runChecked();
    return ask(arguments);
  }

  /** Runs it at once, for what does not come from the journal; answers the lines it prints. */
  static List<String> ask(String... arguments) {
    return Command.of(line(arguments))
        .withDeadline(Duration.ofSeconds(60))
        .runChecked()
        .text()
        .lines()
        .toList();
  }

  /** Starts it, for a command that goes on until it is ended. */
  static Process start(String... arguments) {
    try {
      return new ProcessBuilder(line(arguments))
          .redirectError(ProcessBuilder.Redirect.DISCARD)
          .start();
    } catch (IOException failure) {
      throw new UncheckedIOException("could not start stagelet", failure);
    }
  }

  private static List<String> line(String... arguments) {
    List<String> line =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                "io.stagelet.cri.Main"));
    line.addAll(List.of(arguments));
    return line;
  }
}
