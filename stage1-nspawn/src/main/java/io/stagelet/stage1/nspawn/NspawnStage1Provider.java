package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.Units;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/** Makes the stage1 {@code nspawn}, which has no options. */
public final class NspawnStage1Provider implements Stage1Provider {
  static final Path NSPAWN = Path.of("/usr/bin/systemd-nspawn");
  private static final int OLDEST = 257;

  @Override
  public String name() {
    return "nspawn";
  }

  @Override
  public Stage1 open(
      String handler, Map<String, String> options, Stage1Host host, Path runDirectory) {
    if (!options.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has keys that the stage1 nspawn does not know: %s"
              .formatted(handler, new TreeSet<>(options.keySet())));
    }
    if (!Files.isExecutable(NSPAWN)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "there is no %s; install the package systemd-container".formatted(NSPAWN));
    }
    Units units = host.shared(Units.class);
    int version = units.version().major();
    if (version < OLDEST) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "systemd here is %d, and the stage1 nspawn wants %d or later: earlier ones have no PrivatePIDs"
              .formatted(version, OLDEST));
    }
    return new NspawnStage1(
        units,
        EntryTools.copiedTo(runDirectory.resolve("tools")),
        new ObjectMapper(),
        Optional.empty());
  }

  @Override
  public Optional<Stage1> observer(
      String handler, Stage1Host host, Path runDirectory, StageletException reason) {
    return Optional.of(
        new NspawnStage1(
            host.shared(Units.class),
            new EntryTools(runDirectory.resolve("tools")),
            new ObjectMapper(),
            Optional.of(reason)));
  }
}
