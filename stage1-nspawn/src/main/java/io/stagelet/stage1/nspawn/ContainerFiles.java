package io.stagelet.stage1.nspawn;

import io.stagelet.linux.Command;
import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.MountFlag;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.MountPropagation;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.SystemCallException;
import io.stagelet.stage0.spi.ContainerPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a container's service finds in its machine: its directory, with all that it mounts in places
 * that do not depend on the host.
 *
 * <pre>
 *   rootfs          the root filesystem, mounted by the server
 *   stdout, stderr  the FIFOs, made by the server
 *   dev/            a tmpfs with its device nodes
 *   mounts/N        its Nth mount
 *   mounts/shm      the pod's /dev/shm
 *   mounts/tools    what makes a process that joins it the container's, with the filter over it
 *   filter          its seccomp filter
 * </pre>
 */
final class ContainerFiles {
  private static final List<String> NODES =
      List.of("null", "zero", "full", "random", "urandom", "tty");
  private static final Map<String, String> LINKS =
      Map.of(
          "fd", "/proc/self/fd",
          "stdin", "/proc/self/fd/0",
          "stdout", "/proc/self/fd/1",
          "stderr", "/proc/self/fd/2",
          "ptmx", "pts/ptmx",
          "core", "/proc/kcore");

  /** Options of {@code mount(8)} for a mount that is there already. */
  private static final Map<String, MountFlag> OPTIONS =
      Map.of(
          "ro", MountFlag.READ_ONLY,
          "nosuid", MountFlag.NO_SET_USER_ID,
          "nodev", MountFlag.NO_DEVICES,
          "noexec", MountFlag.NO_EXEC,
          "noatime", MountFlag.NO_ACCESS_TIMES);

  /** Options that a bind mount has without a word. */
  private static final Set<String> AS_IT_IS = Set.of("bind", "rbind", "rw");

  private static final int BLOCK = 0060000;
  private static final int CHARACTER = 0020000;
  private static final int TYPE_MASK = 0170000;

  private ContainerFiles() {}

  /** Mounts all, and shows it to the machine. */
  static void make(
      Machine machine,
      ContainerPlan container,
      Optional<SeccompProfile> seccomp,
      EntryTools tools) {
    // what an earlier try has left
    remove(machine, container);
    try {
      Path stage = Files.createDirectories(machine.stage(container));
      // its systemd passes through, to the FIFOs
      container.sandbox().ids().ifPresent(ids -> giveToRoot(container.directory(), ids));
      Mounts.bindRecursively(container.directory(), stage);
      // this host's mounts are shared, as a rule: nothing of what is done here is to spread by that
      Mounts.propagationRecursively(stage, MountPropagation.PRIVATE);
      Path mounts = stage.resolve("mounts");
      Files.createDirectories(mounts);
      int number = 0;
      for (ContainerPlan.Mount mount : container.mounts()) {
        bind(
            mount,
            mount.mapped() ? container.sandbox().ids() : Optional.empty(),
            mounts.resolve(String.valueOf(number)));
        number++;
      }
      Path shm = Files.createDirectories(mounts.resolve("shm"));
      Mounts.bind(
          container.sandbox().hostIpc() ? Path.of("/dev/shm") : machine.sharedMemory(), shm);
      Mounts.propagation(shm, MountPropagation.PRIVATE);
      Path shown = Files.createDirectories(mounts.resolve("tools"));
      Mounts.bind(tools.directory(), shown);
      Mounts.propagation(shown, MountPropagation.PRIVATE);
      // not as the host's /run is, which may forbid programs
      Mounts.remount(
          shown, Set.of(MountFlag.READ_ONLY, MountFlag.NO_SET_USER_ID, MountFlag.NO_DEVICES));
      if (seccomp.isPresent()) {
        Path filter = container.directory().resolve("filter");
        seccomp.get().writeTo(filter);
        Mounts.bind(filter, tools.filter(shown));
        Mounts.remount(tools.filter(shown), Set.of(MountFlag.READ_ONLY, MountFlag.NO_SET_USER_ID));
      }
      devices(container, stage);
      show(machine, container);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make the mount points of container %s: %s"
              .formatted(container.name(), StageletException.reason(failure)),
          failure);
    }
  }

  /** As the OCI runtimes do, unless it is in something that is mounted. */
  static void makeWorkingDirectory(ContainerPlan container) {
    String directory = container.process().workingDirectory();
    boolean mounted =
        container.mounts().stream()
            .map(mount -> Path.of(mount.destination()))
            .anyMatch(Path.of(directory)::startsWith);
    if (mounted || ConfinedFiles.isDirectory(container.rootfs(), directory).isPresent()) {
      return;
    }
    try {
      Optional<IdMappings> ids = container.sandbox().ids();
      ConfinedFiles.makeDirectories(
          container.rootfs(),
          directory,
          ids.map(mapped -> (int) mapped.user(0)).orElse(-1),
          ids.map(mapped -> (int) mapped.group(0)).orElse(-1));
    } catch (SystemCallException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "working_dir: %s of container %s is not there and cannot be made: %s"
              .formatted(directory, container.name(), StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * Moves all to the machine. Here nothing stays mounted but the root filesystem: a volume's mount
   * points could not be removed on this host as long as it were.
   */
  private static void show(Machine machine, ContainerPlan container) throws IOException {
    Path shared = Files.createDirectories(machine.shared(container));
    Mounts.bindRecursively(machine.stage(container), shared);
    // what is unmounted from now on stays in the machine, and hears of the volumes' own mounts
    Mounts.propagationRecursively(shared, MountPropagation.PRIVATE);
    Mounts.detachAll(target -> target.startsWith(shared) && !target.equals(shared));
    detachStage(machine, container);
  }

  private static void detachStage(Machine machine, ContainerPlan container) throws IOException {
    Path stage = machine.stage(container);
    Mounts.detachAll(target -> target.startsWith(stage));
    Files.deleteIfExists(stage);
  }

  /** Unmounts all, here and in the machine; fine when it is gone. The root filesystem stays. */
  static void remove(Machine machine, ContainerPlan container) {
    Path shared = machine.shared(container);
    try {
      if (Files.exists(shared)) {
        NspawnStage1.leader(machine)
            .ifPresent(leader ->
                Command.of(
                        "/usr/bin/nsenter",
                        "--target=" + leader,
                        "--mount",
                        "/usr/bin/umount",
                        "--recursive",
                        "--lazy",
                        Machine.inside(container).toString())
                    .run());
        Mounts.detachAll(target -> target.startsWith(shared));
        Files.deleteIfExists(shared);
      }
      detachStage(machine, container);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not remove %s: %s".formatted(shared, StageletException.reason(failure)),
          failure);
    }
  }

  /** The options of a tmpfs that is the root's of a machine with users of its own. */
  static String owner(IdMappings ids) {
    return "uid=%d,gid=%d".formatted(ids.user(0), ids.group(0));
  }

  /** Gives a file or directory to the root of a machine with users of its own. */
  static void giveToRoot(Path path, IdMappings ids) {
    try {
      Files.setAttribute(path, "unix:uid", (int) ids.user(0));
      Files.setAttribute(path, "unix:gid", (int) ids.group(0));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not give %s to the root of the pod's user namespace: %s"
              .formatted(path, StageletException.reason(failure)),
          failure);
    }
  }

  private static void bind(ContainerPlan.Mount mount, Optional<IdMappings> ids, Path target)
      throws IOException {
    if (Files.isDirectory(mount.source())) {
      Files.createDirectories(target);
    } else {
      Files.write(target, new byte[0]);
    }
    if (ids.isPresent()) {
      try {
        Mounts.bindIdMapped(mount.source(), target, ids.get());
      } catch (SystemCallException failure) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "uidMappings: the filesystem of %s cannot be mounted at %s with the ids of the pod's user namespace: %s"
                .formatted(mount.source(), mount.destination(), StageletException.reason(failure)),
            failure);
      }
    } else {
      Mounts.bindRecursively(mount.source(), target);
    }
    Mounts.propagationRecursively(
        target,
        mount.propagation() == ContainerPlan.Propagation.PRIVATE
            ? MountPropagation.PRIVATE
            : MountPropagation.SLAVE);
    Set<MountFlag> flags = flags(mount);
    if (!flags.isEmpty()) {
      flags.addAll(flagsOf(target));
      Mounts.remount(target, flags);
    }
  }

  /**
   * What is asked of a mount.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with an option that is not known
   */
  static Set<MountFlag> flags(ContainerPlan.Mount mount) {
    EnumSet<MountFlag> flags = EnumSet.noneOf(MountFlag.class);
    if (mount.readOnly()) {
      flags.add(MountFlag.READ_ONLY);
    }
    for (String option : mount.options()) {
      if (OPTIONS.containsKey(option)) {
        flags.add(OPTIONS.get(option));
      } else if (!AS_IT_IS.contains(option)) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "mount_options: '%s' of the mount %s is not known to the stage1 nspawn"
                .formatted(option, mount.destination()));
      }
    }
    return flags;
  }

  /** The flags that a mount has now. */
  private static Set<MountFlag> flagsOf(Path target) {
    EnumSet<MountFlag> flags = EnumSet.noneOf(MountFlag.class);
    MountInfo.all().stream()
        .filter(mount -> mount.target().equals(target))
        .reduce((first, last) -> last)
        .ifPresent(mount ->
            mount.options().stream()
                .flatMap(option -> Optional.ofNullable(OPTIONS.get(option)).stream())
                .forEach(flags::add));
    return flags;
  }

  private static void devices(ContainerPlan container, Path stage) throws IOException {
    Path dev = Files.createDirectories(stage.resolve("dev"));
    Mounts.mount(
        "tmpfs",
        "tmpfs",
        dev,
        Set.of(MountFlag.NO_SET_USER_ID),
        "mode=755,size=65536k" + container.sandbox().ids().map(ids -> "," + owner(ids)).orElse(""));
    for (String directory :
        List.of("pts", "shm", "mqueue", Path.of(EntryTools.INSIDE).getFileName().toString())) {
      Files.createDirectory(dev.resolve(directory));
    }
    for (Map.Entry<String, String> link : LINKS.entrySet()) {
      Files.createSymbolicLink(dev.resolve(link.getKey()), Path.of(link.getValue()));
    }
    List<String> copy = new ArrayList<>(List.of("/usr/bin/cp", "--archive", "--dereference"));
    NODES.stream().map(node -> "/dev/" + node).forEach(copy::add);
    copy.add(dev + "/");
    Command.of(copy).runChecked();
    for (ContainerPlan.Device device : container.devices()) {
      Path destination = Path.of(device.destination()).normalize();
      Path under = Path.of("/dev");
      if (!destination.startsWith(under) || destination.equals(under)) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "container %s cannot be run by the stage1 nspawn: it asks for the device %s outside of /dev"
                .formatted(container.name(), device.destination()));
      }
      Path node = dev.resolve(under.relativize(destination));
      if (!Files.exists(node)) {
        Files.createDirectories(node.getParent());
        Command.of(
                "/usr/bin/cp",
                "--archive",
                "--dereference",
                "--no-target-directory",
                device.source().toString(),
                node.toString())
            .runChecked();
      }
    }
  }

  /** A device of the host by its numbers, as it need not be there in the machine. */
  static String node(ContainerPlan.Device device) {
    try {
      Map<String, Object> attributes = Files.readAttributes(device.source(), "unix:mode,rdev");
      long number = attributes.get("rdev") instanceof Number rdev ? rdev.longValue() : 0;
      int mode = attributes.get("mode") instanceof Number bits ? bits.intValue() : 0;
      int kind = mode & TYPE_MASK;
      if (kind != BLOCK && kind != CHARACTER) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "the device %s is not a device node".formatted(device.source()));
      }
      return "/dev/%s/%d:%d"
          .formatted(
              kind == BLOCK ? "block" : "char",
              (number >>> 8 & 0xfff) | (number >>> 32 & ~0xfffL),
              (number & 0xff) | (number >>> 12 & ~0xffL));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the device %s cannot be read: %s"
              .formatted(device.source(), StageletException.reason(failure)),
          failure);
    }
  }
}
