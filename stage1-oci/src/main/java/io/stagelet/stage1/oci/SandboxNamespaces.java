package io.stagelet.stage1.oci;

import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;

/** Where a sandbox's namespaces and its /dev/shm are. */
final class SandboxNamespaces {
  private SandboxNamespaces() {}

  /** The namespaces that the sandbox has of its own, and where each is pinned. */
  static Map<Namespaces.Kind, Path> pins(SandboxPlan sandbox) {
    Map<Namespaces.Kind, Path> pins = new EnumMap<>(Namespaces.Kind.class);
    sandbox.networkNamespace().ifPresent(pin -> pins.put(Namespaces.Kind.NETWORK, pin));
    if (!sandbox.hostIpc()) {
      pins.put(Namespaces.Kind.IPC, directory(sandbox).resolve("ipc"));
    }
    if (sandbox.hostname().isPresent()) {
      pins.put(Namespaces.Kind.UTS, directory(sandbox).resolve("uts"));
    }
    if (sandbox.ids().isPresent()) {
      pins.put(Namespaces.Kind.USER, directory(sandbox).resolve("user"));
    }
    return pins;
  }

  /** Where the PID namespace is pinned that all containers share. */
  static Path pid(SandboxPlan sandbox) {
    return directory(sandbox).resolve("pid");
  }

  /** Where the PID namespace of another container is pinned that a container joins. */
  static Path targetPid(ContainerPlan container) {
    return container.directory().resolve("target-pid");
  }

  /** Where the tmpfs is mounted that all containers have as /dev/shm. */
  static Path sharedMemory(SandboxPlan sandbox) {
    return sandbox.runDirectory().resolve("shm");
  }

  /** The directory of the pins. */
  static Path directory(SandboxPlan sandbox) {
    return sandbox.runDirectory().resolve("ns");
  }
}
