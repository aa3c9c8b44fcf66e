package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes the stage1 {@code nspawn}. Its option is {@code boot}: {@code stage1} (the default), a pod
 * is a machine with a systemd of this host's, and containers are services of it; or {@code image},
 * a container is a machine, whose init its image brings.
 */
public final class NspawnStage1Provider implements Stage1Provider {
  static final Path NSPAWN = Path.of("/usr/bin/systemd-nspawn");
  private static final Logger LOG = LoggerFactory.getLogger(NspawnStage1Provider.class);
  private static final String BOOT = "boot";
  private static final String STAGE1 = "stage1";
  private static final String IMAGE = "image";
  private static final int OLDEST = 257;
  private static final int IDS = 65536;

  @Override
  public String name() {
    return "nspawn";
  }

  @Override
  public Stage1 open(
      String handler, Map<String, String> options, Stage1Host host, Path runDirectory) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.remove(BOOT);
    if (!unknown.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has keys that the stage1 nspawn does not know: %s"
              .formatted(handler, unknown));
    }
    boolean boots = bootsImages(handler, options);
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
    EntryTools tools = EntryTools.copiedTo(runDirectory.resolve("tools"));
    ObjectMapper json = new ObjectMapper();
    return boots
        ? new BootStage1(units, tools, json, Optional.empty())
        : new NspawnStage1(units, tools, json, mapsIds(runDirectory), Optional.empty());
  }

  private static boolean bootsImages(String handler, Map<String, String> options) {
    return switch (options.getOrDefault(BOOT, STAGE1)) {
      case STAGE1 -> false;
      case IMAGE -> true;
      default ->
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "handlers.%s.boot is '%s'; it is \"%s\" (a pod is a machine, its containers are services in it) or \"%s\" (a container is a machine, its image brings the init)"
                  .formatted(handler, options.get(BOOT), STAGE1, IMAGE));
    };
  }

  /** Tried with this kernel, on the filesystem that the machines' roots are on. */
  private static boolean mapsIds(Path runDirectory) {
    Path tried = runDirectory.resolve("mapped");
    List<IdMapping> range = List.of(new IdMapping(0, IDS, IDS));
    try {
      Files.createDirectories(tried);
      Mounts.bindIdMapped(tried, tried, new IdMappings(range, range));
      Mounts.detach(tried);
      Files.delete(tried);
      return true;
    } catch (IOException | StageletException refused) {
      NspawnEvent.IDS_NOT_MAPPED
          .on(LOG)
          .log(
              "the roots of machines cannot be mounted with other ids here, so that there are no user namespaces: {}",
              StageletException.reason(refused));
      return false;
    }
  }

  /** What has been started is looked after by what a unit is called, whatever it boots. */
  @Override
  public Optional<Stage1> observer(
      String handler,
      Map<String, String> options,
      Stage1Host host,
      Path runDirectory,
      StageletException reason) {
    Units units = host.shared(Units.class);
    EntryTools tools = new EntryTools(runDirectory.resolve("tools"));
    ObjectMapper json = new ObjectMapper();
    return Optional.of(
        options.getOrDefault(BOOT, STAGE1).equals(IMAGE)
            ? new BootStage1(units, tools, json, Optional.of(reason))
            : new NspawnStage1(units, tools, json, false, Optional.of(reason)));
  }
}
