package io.stagelet.stage1.oci;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.units.OomPolicy;
import io.stagelet.units.RestartPolicy;
import io.stagelet.units.ServiceType;
import io.stagelet.units.TransientUnit;
import io.stagelet.units.UnitName;
import io.stagelet.units.Units;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * The control group out of which runc makes containers: it refuses one for a container in which
 * there is any process (from version 1.2 on; 1.1 warns), and the first command of a unit is in the
 * unit's own, which is the container's. So that command moves here before it becomes runc; for
 * systemd it is the unit's command still, by its number.
 *
 * <p>The group is delegated to a service of its own, {@code stagelet-launch.service}, shared by all
 * who need it. Its one process does nothing: systemd would take away a group that is empty.
 */
final class LaunchGroup {
  private static final UnitName UNIT = UnitName.of("stagelet-launch.service");
  private static final UnitName SLICE = UnitName.of("stagelet.slice");
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  /** The number by which whoever writes it names itself. */
  private static final String MYSELF = "0";

  private final Units units;
  private final Path processes;

  LaunchGroup(Units units, Path cgroups) {
    this.units = units;
    this.processes =
        cgroups.resolve(SLICE.sliceGroup()).resolve(UNIT.value()).resolve("cgroup.procs");
  }

  /**
   * Makes it unless it is there.
   *
   * @return the line by which a unit's first command moves into it ({@link ContainerUnit})
   */
  String entry() {
    if (!Files.exists(processes)) {
      start();
    }
    return processes + " " + MYSELF;
  }

  private synchronized void start() {
    if (Files.exists(processes)) {
      return;
    }
    units.resetFailed(UNIT);
    try {
      units.start(
          TransientUnit.service(UNIT)
              .description("Where runc is when it makes a container")
              .slice(SLICE)
              .type(ServiceType.EXEC)
              .execStart(List.of("/usr/bin/sleep", "infinity"), false)
              .restart(RestartPolicy.ALWAYS)
              .delegate(true)
              .oomPolicy(OomPolicy.CONTINUE)
              .build(),
          TIMEOUT);
    } catch (StageletException failure) {
      // another handler's, or another server's, was first
      if (failure.code() != ErrorCode.ALREADY_EXISTS) {
        throw failure;
      }
    }
  }
}
