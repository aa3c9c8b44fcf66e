package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountFlag;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.TransientUnit;
import io.stagelet.units.UnitName;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;

/**
 * What a pod has beside its machine: namespaces, a /dev/shm, and a slice where nobody named one.
 */
final class PodPlace {
  private static final Duration JOB_TIMEOUT = Duration.ofSeconds(100);

  private PodPlace() {}

  /** Makes the namespaces of a pod that has the host's users. */
  static void makeNamespaces(Machine machine) {
    directory(machine.namespaces());
    if (!machine.pins().isEmpty()) {
      Namespaces.create(machine.pins(), () -> setUp(machine.sandbox()));
    }
  }

  /** In its namespaces. */
  static void setUp(SandboxPlan sandbox) {
    sandbox.hostname().ifPresent(Namespaces::hostname);
    if (sandbox.networkNamespace().isPresent()) {
      Namespaces.loopbackUp();
    }
    sandbox.sysctls().forEach(Namespaces::sysctl);
  }

  /** Mounts its /dev/shm, unless it has the host's. */
  static void mountSharedMemory(Machine machine) {
    SandboxPlan sandbox = machine.sandbox();
    if (sandbox.hostIpc()) {
      return;
    }
    directory(machine.sharedMemory());
    Mounts.mount(
        "tmpfs",
        "shm",
        machine.sharedMemory(),
        Set.of(MountFlag.NO_SET_USER_ID, MountFlag.NO_DEVICES, MountFlag.NO_EXEC),
        "mode=1777,size=%d%s"
            .formatted(
                sandbox.shmSize(),
                sandbox.ids().map(ids -> "," + ContainerFiles.owner(ids)).orElse("")));
  }

  static void release(Machine machine) {
    machine.pins().values().forEach(Namespaces::unpin);
    Mounts.detach(machine.sharedMemory());
  }

  static void startSlice(Units units, SandboxPlan sandbox) {
    UnitName slice = UnitName.of(sandbox.slice());
    if (units.status(slice).isEmpty()) {
      units.start(
          TransientUnit.slice(slice)
              .description("Slice of pod %s/%s".formatted(sandbox.namespace(), sandbox.name()))
              .build(),
          JOB_TIMEOUT);
    }
  }

  static void stop(Units units, UnitName unit) {
    units.stop(unit, JOB_TIMEOUT);
    units.resetFailed(unit);
  }

  static void directory(Path path) {
    try {
      Files.createDirectories(path);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
  }
}
