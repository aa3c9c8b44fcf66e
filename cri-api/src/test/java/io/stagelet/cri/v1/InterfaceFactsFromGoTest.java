package io.stagelet.cri.v1;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * The table of facts says what the published Go module itself says. Runs where Go is installed,
 * 1.21 or later: from there on {@code go} fetches the release that the module asks for.
 */
class InterfaceFactsFromGoTest {
  private static final Pattern VERSION =
      Pattern.compile("go version go1\\.(\\d+).*", Pattern.DOTALL);
  private static final Map<String, String> TOOLCHAIN = Map.of("GOTOOLCHAIN", "auto");
  private static final Path PROGRAM = Path.of("src", "test", "go");

  @Test
  void theTableIsWhatTheGoModuleDeclares() {
    assumeTrue(
        installedMinor() >= 21,
        "Go 1.21 or later is not installed: the table of facts is not compared with the module");

    Command.Outcome printed =
        Command.of("go", "-C", PROGRAM.toAbsolutePath().toString(), "run", ".")
            .withEnvironment(System.getenv())
            .withEnvironment(TOOLCHAIN)
            .withDeadline(Duration.ofMinutes(5))
            .runChecked();

    assertThat(InterfaceFacts.published())
        .containsExactlyElementsOf(printed.text().lines().toList());
  }

  private static int installedMinor() {
    try {
      Matcher version =
          VERSION.matcher(
              Command.of("go", "version")
                  .withEnvironment(System.getenv())
                  .withEnvironment(Map.of("GOTOOLCHAIN", "local"))
                  .runChecked()
                  .text());
      return version.matches() ? Integer.parseInt(version.group(1)) : 0;
    } catch (StageletException failure) {
      if (failure.code() == ErrorCode.NOT_FOUND) {
        return 0;
      }
      throw failure;
    }
  }
}
