package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.UnitName;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

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

  /** The name that {@code machinectl} shows. */
  String name() {
    return name(sandbox.namespace() + "-" + sandbox.name(), sandbox.id().shortened());
  }

  /** Words and an id with a host name's characters, and as short as one. */
  static String name(String words, String id) {
    String known = words.replaceAll("[^A-Za-z0-9-]", "-");
    int room = LONGEST_NAME - 1 - id.length();
    return known.substring(0, Math.min(known.length(), room)) + "-" + id;
  }

  /** 128 bits, as {@code machine-id(5)} has them. */
  String machineId() {
    return sandbox.id().value().substring(0, 32);
  }

  /**
   * The range of ids that is the machine's, where it has users of its own: systemd-nspawn takes
   * one, for users and groups alike.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the pod asks for others, or for a
   *     namespace of the host besides
   */
  Optional<IdMapping> users() {
    if (sandbox.ids().isEmpty()) {
      return Optional.empty();
    }
    IdMappings ids = sandbox.ids().get();
    IdMapping range = ids.users().getFirst();
    if (ids.users().size() > 1 || !ids.groups().equals(ids.users()) || range.inside() != 0) {
      throw refused(
          "users %s and groups %s: systemd-nspawn maps one range from 0 on, the same for both"
              .formatted(ids.users(), ids.groups()));
    }
    if (pins().size() < Namespaces.Kind.values().length - 1) {
      throw refused(
          "the host's network, IPC or UTS namespace beside a user namespace: systemd-nspawn mounts sysfs and mqueue for such a machine only in namespaces that it has made");
    }
    return Optional.of(range);
  }

  private StageletException refused(String what) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "pod %s/%s cannot be run by the stage1 nspawn: it asks for %s"
            .formatted(sandbox.namespace(), sandbox.name(), what));
  }

  /**
   * The namespaces that the sandbox has of its own. They are made before the machine, unless it has
   * users of its own: those of systemd-nspawn are pinned then.
   */
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
