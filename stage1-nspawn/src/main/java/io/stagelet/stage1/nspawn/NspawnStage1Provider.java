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
 * Makes the stage1 {@code nspawn}. Its options are
 *
 * <ul>
 *   <li>{@code boot}: {@code stage1} (the default), a pod is a machine with a systemd of this
 *       host's, and containers are services of it; or {@code image}, a container is a machine,
 *       whose init its image brings;
 *   <li>{@code bus}: {@code true}, a pod's machine has a D-Bus daemon of this host's, so that
 *       {@code systemctl -M} reaches its systemd; {@code false} is the default.
 * </ul>
 */
public final class NspawnStage1Provider implements Stage1Provider {
  static final Path NSPAWN = Path.of("/usr/bin/systemd-nspawn");
  static final Path BUS_DAEMON = Path.of("/usr/bin/dbus-daemon");
  private static final Logger LOG = LoggerFactory.getLogger(NspawnStage1Provider.class);
  private static final String BOOT = "boot";
  private static final String STAGE1 = "stage1";
  private static final String IMAGE = "image";
  private static final String BUS = "bus";
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
    unknown.removeAll(Set.of(BOOT, BUS));
    if (!unknown.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has keys that the stage1 nspawn does not know: %s"
              .formatted(handler, unknown));
    }
    boolean boots = bootsImages(handler, options);
    boolean bus = hasBus(handler, options, boots);
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
        : new NspawnStage1(units, tools, json, mapsIds(runDirectory), bus, Optional.empty());
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

  private static boolean hasBus(String handler, Map<String, String> options, boolean boots) {
    boolean bus =
        switch (options.getOrDefault(BUS, "false")) {
          case "false" -> false;
          case "true" -> true;
          default ->
              throw new StageletException(
                  ErrorCode.INVALID_ARGUMENT,
                  "handlers.%s.bus is '%s'; it is true (a pod's machine has a bus, for systemctl -M) or false"
                      .formatted(handler, options.get(BUS)));
        };
    if (bus && boots) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has bus = true beside boot = \"image\": such a machine has the bus that its image brings; leave bus out"
              .formatted(handler));
    }
    if (bus && !Files.isExecutable(BUS_DAEMON)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "handlers.%s has bus = true, and there is no %s; install it (Debian: dbus-daemon), or leave bus out"
              .formatted(handler, BUS_DAEMON));
    }
    return bus;
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
            : new NspawnStage1(units, tools, json, false, false, Optional.of(reason)));
  }
}
