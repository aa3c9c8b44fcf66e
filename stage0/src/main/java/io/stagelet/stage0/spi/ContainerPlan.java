package io.stagelet.stage0.spi;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All a stage1 needs to know of a container.
 *
 * @param id its id
 * @param name its name in the pod
 * @param sandbox the sandbox it lives in
 * @param directory a directory on a tmpfs that belongs to this container
 * @param rootfs where its root filesystem is mounted
 * @param process what runs in it
 * @param mounts what is mounted over its root filesystem, in the order to mount
 * @param devices host devices it gets
 * @param security what it may do
 * @param resources what it may use
 * @param stdout the FIFO its standard output goes to
 * @param stderr the FIFO its standard error goes to
 * @param stdin the FIFO its standard input comes from; absent when it has none, or a terminal
 * @param stopSignal the number of the signal that asks it to end
 * @param grace how long it may take to end when the machine is shut down
 * @param pids which processes it sees
 * @param hooks programs of the host that are run at points of its life
 * @param checkpoint the state of processes that go on in it, instead of one that is begun: a
 *     directory as {@link Stage1#checkpoint} fills it; absent for a container like any other
 */
public record ContainerPlan(
    ContainerId id,
    String name,
    SandboxPlan sandbox,
    Path directory,
    Path rootfs,
    ExecPlan process,
    List<Mount> mounts,
    List<Device> devices,
    Security security,
    Resources resources,
    Path stdout,
    Path stderr,
    Optional<Path> stdin,
    int stopSignal,
    Duration grace,
    Pids pids,
    List<Hook> hooks,
    Optional<Path> checkpoint) {
  public ContainerPlan {
    // a record that was stored by an earlier version has none
    hooks = hooks == null ? List.of() : List.copyOf(hooks);
    checkpoint = checkpoint == null ? Optional.empty() : checkpoint;
    mounts = List.copyOf(mounts);
    devices = List.copyOf(devices);
  }

  /** One whose process is begun. */
  public ContainerPlan(
      ContainerId id,
      String name,
      SandboxPlan sandbox,
      Path directory,
      Path rootfs,
      ExecPlan process,
      List<Mount> mounts,
      List<Device> devices,
      Security security,
      Resources resources,
      Path stdout,
      Path stderr,
      Optional<Path> stdin,
      int stopSignal,
      Duration grace,
      Pids pids,
      List<Hook> hooks) {
    this(
        id,
        name,
        sandbox,
        directory,
        rootfs,
        process,
        mounts,
        devices,
        security,
        resources,
        stdout,
        stderr,
        stdin,
        stopSignal,
        grace,
        pids,
        hooks,
        Optional.empty());
  }

  /** This plan with other resources. */
  public ContainerPlan with(Resources other) {
    return with(other, checkpoint);
  }

  /** This plan with processes that go on. */
  public ContainerPlan restoring(Path other) {
    return with(resources, Optional.of(other));
  }

  private ContainerPlan with(Resources otherResources, Optional<Path> otherCheckpoint) {
    return new ContainerPlan(
        id,
        name,
        sandbox,
        directory,
        rootfs,
        process,
        mounts,
        devices,
        security,
        otherResources,
        stdout,
        stderr,
        stdin,
        stopSignal,
        grace,
        pids,
        hooks,
        otherCheckpoint);
  }

  /**
   * A bind mount from the host.
   *
   * @param source an existing path, with no symbolic link in it
   * @param destination where, in the container
   * @param propagation how later mounts spread
   * @param mapped whether the owners of its files are those of the sandbox's user namespace ({@link
   *     SandboxPlan#ids()}), whatever is on the disk
   * @param options further ones, as {@code mount(8)} calls them
   */
  public record Mount(
      Path source,
      String destination,
      boolean readOnly,
      boolean recursiveReadOnly,
      Propagation propagation,
      boolean mapped,
      List<String> options) {
    public Mount {
      options = options == null ? List.of() : List.copyOf(options);
    }
  }

  /**
   * A program of the host that the runtime runs at a point of the container's life.
   *
   * @param point as the OCI Runtime Specification calls it, such as {@code createContainer}
   * @param path of the program
   * @param arguments the first is its name
   * @param timeout absent for none
   */
  public record Hook(
      String point,
      Path path,
      List<String> arguments,
      List<String> environment,
      Optional<Duration> timeout) {
    public Hook {
      arguments = List.copyOf(arguments);
      environment = List.copyOf(environment);
    }
  }

  /**
   * Whose PID namespace it lives in.
   *
   * @param unit the unit of the container whose namespace it joins, of the same stage1; only for
   *     {@code TARGET}
   */
  public record Pids(Sharing sharing, Optional<String> unit) {
    /** Whose it may be. */
    public enum Sharing {
      OWN,
      POD,
      HOST,
      TARGET
    }
  }

  /** How mounts made later spread between host and container ({@code mount_namespaces(7)}). */
  public enum Propagation {
    PRIVATE,
    HOST_TO_CONTAINER,
    BIDIRECTIONAL
  }

  /**
   * A device node.
   *
   * @param source the node on the host
   * @param destination where, in the container
   * @param permissions letters out of {@code rwm}
   * @param node how the node is in the container, where it is not as on the host
   */
  public record Device(Path source, String destination, String permissions, Optional<Node> node) {
    /** One that is in the container as it is on the host. */
    public Device(Path source, String destination, String permissions) {
      this(source, destination, permissions, Optional.empty());
    }
  }

  /**
   * A device node; what is absent is as on the host.
   *
   * @param type {@code b}, {@code c} or {@code u}
   * @param mode its permission bits
   */
  public record Node(
      Optional<String> type,
      Optional<Long> major,
      Optional<Long> minor,
      Optional<Integer> mode,
      Optional<Integer> uid,
      Optional<Integer> gid) {}

  /**
   * What the container may do.
   *
   * @param capabilities the names with {@code CAP_}, for the permitted, effective and bounding sets
   * @param ambientCapabilities those that also survive an exec by a user other than root
   * @param apparmorProfile a loaded profile's name; absent for none
   * @param selinux the process's label; absent for none
   * @param mountLabel the label of what is mounted for it; absent for none
   * @param seccomp an OCI seccomp section as JSON; absent for unconfined
   */
  public record Security(
      boolean privileged,
      boolean readOnlyRootfs,
      List<String> capabilities,
      List<String> ambientCapabilities,
      List<String> maskedPaths,
      List<String> readOnlyPaths,
      Optional<String> apparmorProfile,
      Optional<String> selinux,
      Optional<String> mountLabel,
      Optional<String> seccomp) {
    public Security {
      capabilities = List.copyOf(capabilities);
      ambientCapabilities = List.copyOf(ambientCapabilities);
      maskedPaths = List.copyOf(maskedPaths);
      readOnlyPaths = List.copyOf(readOnlyPaths);
    }
  }

  /**
   * What the container may use; zero and empty mean no limit of its own.
   *
   * @param cpuShares in the unit of cgroup v1 (2 to 262,144)
   * @param cpuQuota microseconds per period; negative for none
   * @param cpuPeriod microseconds
   * @param memoryLimit bytes; negative for none
   * @param swapLimit bytes of memory and swap together, as kubelet says it; negative for no limit
   * @param cpus a list such as {@code 0-2,4}
   * @param memoryNodes likewise
   * @param oomScoreAdjust -1000 to 1000
   * @param hugepages bytes, by the size of the pages as the kernel calls it ({@code 2MB})
   * @param unified files of the control group and what is written to them ({@code memory.high})
   */
  public record Resources(
      long cpuShares,
      long cpuQuota,
      long cpuPeriod,
      long memoryLimit,
      long swapLimit,
      String cpus,
      String memoryNodes,
      int oomScoreAdjust,
      Map<String, Long> hugepages,
      Map<String, String> unified) {
    /** Nothing is limited. */
    public static final Resources NONE =
        new Resources(0, 0, 0, 0, 0, "", "", 0, Map.of(), Map.of());

    public Resources {
      // a record that was stored by an earlier version has none
      hugepages = hugepages == null ? Map.of() : Map.copyOf(hugepages);
      unified = unified == null ? Map.of() : Map.copyOf(unified);
    }

    /** These, with other files of the control group. */
    public Resources withUnified(Map<String, String> files) {
      return new Resources(
          cpuShares,
          cpuQuota,
          cpuPeriod,
          memoryLimit,
          swapLimit,
          cpus,
          memoryNodes,
          oomScoreAdjust,
          hugepages,
          files);
    }

    /** These, but for what {@code other} says: zero and empty say nothing. */
    public Resources changedBy(Resources other) {
      return new Resources(
          other.cpuShares == 0 ? cpuShares : other.cpuShares,
          other.cpuQuota == 0 ? cpuQuota : other.cpuQuota,
          other.cpuPeriod == 0 ? cpuPeriod : other.cpuPeriod,
          other.memoryLimit == 0 ? memoryLimit : other.memoryLimit,
          other.swapLimit == 0 ? swapBeside(other.memoryLimit) : other.swapLimit,
          other.cpus.isEmpty() ? cpus : other.cpus,
          other.memoryNodes.isEmpty() ? memoryNodes : other.memoryNodes,
          other.oomScoreAdjust == 0 ? oomScoreAdjust : other.oomScoreAdjust,
          merged(hugepages, other.hugepages),
          merged(unified, other.unified));
    }

    /** The limit of both together, when memory alone is changed: the swap stays what it was. */
    private long swapBeside(long otherMemoryLimit) {
      if (otherMemoryLimit == 0 || swapLimit <= 0 || memoryLimit <= 0) {
        return swapLimit;
      }
      return otherMemoryLimit < 0 ? -1 : otherMemoryLimit + swapLimit - memoryLimit;
    }

    private static <T> Map<String, T> merged(Map<String, T> these, Map<String, T> others) {
      Map<String, T> all = new HashMap<>(these);
      all.putAll(others);
      return all;
    }
  }
}
