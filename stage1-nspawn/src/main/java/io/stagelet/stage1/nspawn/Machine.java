package io.stagelet.stage1.nspawn;

import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.UnitName;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What a pod's machine is called, and where its parts are: all below the sandbox's run directory.
 *
 * <pre>
 *   ns/     the pins of its network, IPC and UTS namespaces
 *   shm/    a tmpfs, the /dev/shm of all containers
 *   root/   the machine's root: an /etc, and the mount points of everything else
 *   pod/    a mount of its own, which the machine has as /pod; what is mounted in it here, shows there:
 *           a directory for each container, with its root filesystem, volumes, devices and FIFOs
 * </pre>
 */
record Machine(SandboxPlan sandbox) {
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final int LONGEST_NAME = 64;

  /** The unit on the host, in which the machine runs. */
  UnitName unit() {
    return UnitName.readable(
        "pod", List.of(sandbox.namespace(), sandbox.name()), sandbox.id().shortened(), "service");
  }

  /** The name that {@code machinectl} shows; a host name's characters, and as short as one. */
  String name() {
    String words = (sandbox.namespace() + "-" + sandbox.name()).replaceAll("[^A-Za-z0-9-]", "-");
    int room = LONGEST_NAME - 1 - sandbox.id().shortened().length();
    return words.substring(0, Math.min(words.length(), room)) + "-" + sandbox.id().shortened();
  }

  /** 128 bits, as {@code machine-id(5)} has them. */
  String machineId() {
    return sandbox.id().value().substring(0, 32);
  }

  /** The namespaces that the sandbox has of its own and that are made before the machine. */
  Map<Namespaces.Kind, Path> pins() {
    Map<Namespaces.Kind, Path> pins = new EnumMap<>(Namespaces.Kind.class);
    sandbox.networkNamespace().ifPresent(pin -> pins.put(Namespaces.Kind.NETWORK, pin));
    if (!sandbox.hostIpc()) {
      pins.put(Namespaces.Kind.IPC, namespaces().resolve("ipc"));
    }
    if (sandbox.hostname().isPresent()) {
      pins.put(Namespaces.Kind.UTS, namespaces().resolve("uts"));
    }
    return pins;
  }

  Path namespaces() {
    return sandbox.runDirectory().resolve("ns");
  }

  Path sharedMemory() {
    return sandbox.runDirectory().resolve("shm");
  }

  Path root() {
    return sandbox.runDirectory().resolve("root");
  }

  Path shared() {
    return sandbox.runDirectory().resolve("pod");
  }

  /** Where a container's directory is shown to the machine. */
  Path shared(ContainerPlan container) {
    return shared().resolve(container.id().shortened());
  }

  /** Where it is put together before. */
  Path stage(ContainerPlan container) {
    return sandbox.runDirectory().resolve("stage").resolve(container.id().shortened());
  }

  /** The same place, as the machine calls it. */
  static Path inside(ContainerPlan container) {
    return Path.of("/pod", container.id().shortened());
  }

  /** The unit of a container, which the machine's own systemd runs. */
  static UnitName unitOf(ContainerPlan container) {
    return UnitName.readable(
        "ctr",
        List.of(container.sandbox().namespace(), container.sandbox().name(), container.name()),
        container.id().shortened(),
        "service");
  }

  /** The control group that the machine's systemd takes for the root of all. */
  Path payload() {
    return CGROUPS
        .resolve(UnitName.of(sandbox.slice()).sliceGroup())
        .resolve(unit().value())
        .resolve("payload");
  }

  /** By which the journal finds what systemd says about a pod's units. */
  Map<String, String> logFields() {
    return Map.of(
        "POD_ID", sandbox.id().value(),
        "K8S_NAMESPACE_NAME", sandbox.namespace(),
        "K8S_POD_NAME", sandbox.name());
  }
}
