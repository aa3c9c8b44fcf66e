package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.Units;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Makes the stage1 {@code oci}. Its options are {@code runtime}, the OCI runtime's path or name
 * (without it the handler's name), {@code arguments}, what the runtime is always told before the
 * command (words, with spaces between them), and {@code init}, the program that is the first
 * process of pods whose containers share their PID namespace (without it {@code catatonit}; it is
 * run with {@code -P}: to do nothing but reap).
 */
public final class OciStage1Provider implements Stage1Provider {
  private static final String RUNTIME = "runtime";
  private static final String INIT = "init";
  private static final String ARGUMENTS = "arguments";
  private static final List<Path> PLACES =
      List.of(
          Path.of("/usr/local/sbin"),
          Path.of("/usr/local/bin"),
          Path.of("/usr/sbin"),
          Path.of("/usr/bin"));

  @Override
  public String name() {
    return "oci";
  }

  @Override
  public Stage1 open(
      String handler, Map<String, String> options, Stage1Host host, Path runDirectory) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.removeAll(Set.of(RUNTIME, INIT, ARGUMENTS));
    if (!unknown.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has keys that the stage1 oci does not know: %s".formatted(handler, unknown));
    }
    Path binary = binary(options.getOrDefault(RUNTIME, handler));
    ObjectMapper json = new ObjectMapper();
    return new OciStage1(
        host.shared(Units.class),
        OciRuntime.at(binary, runDirectory, arguments(options), json),
        binary(options.getOrDefault(INIT, "catatonit")),
        json,
        host.shared(Faults.class));
  }

  @Override
  public Optional<Stage1> observer(
      String handler,
      Map<String, String> options,
      Stage1Host host,
      Path runDirectory,
      StageletException reason) {
    return Optional.of(
        new OciStage1(
            host.shared(Units.class),
            OciRuntime.unusable(runDirectory, reason),
            Path.of("/"),
            new ObjectMapper(),
            host.shared(Faults.class)));
  }

  private static List<String> arguments(Map<String, String> options) {
    return Arrays.stream(options.getOrDefault(ARGUMENTS, "").split(" "))
        .filter(word -> !word.isEmpty())
        .toList();
  }

  /**
   * A name without a slash is looked up where programs are; the last place is named when none has
   * it.
   */
  private static Path binary(String nameOrPath) {
    if (nameOrPath.contains("/")) {
      return Path.of(nameOrPath);
    }
    return PLACES.stream()
        .map(place -> place.resolve(nameOrPath))
        .filter(Files::isExecutable)
        .findFirst()
        .orElse(PLACES.getLast().resolve(nameOrPath));
  }
}
