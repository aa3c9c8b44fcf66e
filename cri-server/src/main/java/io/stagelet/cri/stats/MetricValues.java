package io.stagelet.cri.stats;

import io.stagelet.linux.FilesystemSpace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The values of the metrics of a pod or a container, from what was read of it. */
public final class MetricValues {
  private static final long MICROSECONDS = 1_000_000L;

  private final List<ContainerMetric.Value> values = new ArrayList<>();

  /**
   * What a container was allowed; zero and negative mean no limit.
   *
   * @param swapLimit bytes of swap alone
   */
  public record Allowed(
      long cpuShares, long cpuPeriod, long cpuQuota, long memoryLimit, long swapLimit) {}

  /** A huge page size such as {@code 2MB}, and how much of it is used and was at most. */
  public record HugePages(String size, long bytes, long most) {
    private static final String HUGETLB = "hugetlb.";
    private static final String CURRENT = ".current";

    /** Reads them; without the controller there are none. */
    public static List<HugePages> read(KernelFiles files, Path group, HugePagePeaks peaks) {
      List<HugePages> pages = new ArrayList<>();
      for (String name : files.names(group)) {
        if (name.startsWith(HUGETLB) && name.endsWith(CURRENT) && !name.contains(".rsvd.")) {
          String size = name.substring(HUGETLB.length(), name.length() - CURRENT.length());
          Path file = group.resolve(name);
          long bytes = Keyed.number(files.text(file)).orElse(0);
          pages.add(new HugePages(size, bytes, peaks.most(file, bytes)));
        }
      }
      return pages;
    }
  }

  /** The kernel keeps no peak of huge pages: this is the greatest that was seen. */
  public static final class HugePagePeaks {
    private final Map<Path, Long> peaks = new ConcurrentHashMap<>();

    long most(Path file, long bytes) {
      if (bytes == 0 && !peaks.containsKey(file)) {
        return 0;
      }
      return peaks.merge(file, bytes, Math::max);
    }

    /** Forgets the groups that are gone. */
    public void forgetGone() {
      peaks.keySet().removeIf(file -> !Files.exists(file));
    }
  }

  /** What a control group uses. */
  public MetricValues usage(GroupUsage usage, long peak) {
    GroupUsage.Cpu cpu = usage.cpu();
    add(ContainerMetric.CPU_USER_SECONDS_TOTAL, seconds(cpu.userMicroseconds()));
    add(ContainerMetric.CPU_SYSTEM_SECONDS_TOTAL, seconds(cpu.systemMicroseconds()));
    add(ContainerMetric.CPU_USAGE_SECONDS_TOTAL, seconds(cpu.usageMicroseconds()), "total");
    add(ContainerMetric.CPU_CFS_PERIODS_TOTAL, cpu.periods());
    add(ContainerMetric.CPU_CFS_THROTTLED_PERIODS_TOTAL, cpu.throttledPeriods());
    add(ContainerMetric.CPU_CFS_THROTTLED_SECONDS_TOTAL, seconds(cpu.throttledMicroseconds()));
    GroupUsage.Memory memory = usage.memory();
    add(ContainerMetric.MEMORY_CACHE, memory.file());
    add(ContainerMetric.MEMORY_RSS, memory.anonymous());
    add(ContainerMetric.MEMORY_KERNEL_USAGE, memory.kernel());
    add(ContainerMetric.MEMORY_MAPPED_FILE, memory.mappedFile());
    add(ContainerMetric.MEMORY_SWAP, usage.swap().current());
    add(ContainerMetric.MEMORY_FAILCNT, memory.limitHits());
    add(ContainerMetric.MEMORY_USAGE_BYTES, memory.current());
    add(ContainerMetric.MEMORY_MAX_USAGE_BYTES, Math.max(peak, memory.current()));
    add(ContainerMetric.MEMORY_WORKING_SET_BYTES, memory.workingSet());
    add(ContainerMetric.MEMORY_TOTAL_ACTIVE_FILE_BYTES, memory.activeFile());
    add(ContainerMetric.MEMORY_TOTAL_INACTIVE_FILE_BYTES, memory.inactiveFile());
    add(ContainerMetric.MEMORY_FAILURES_TOTAL, memory.faults(), "pgfault", "container");
    add(ContainerMetric.MEMORY_FAILURES_TOTAL, memory.majorFaults(), "pgmajfault", "container");
    add(ContainerMetric.OOM_EVENTS_TOTAL, memory.outOfMemoryKills());
    pressure(
        cpu.pressure(),
        ContainerMetric.PRESSURE_CPU_WAITING_SECONDS_TOTAL,
        ContainerMetric.PRESSURE_CPU_STALLED_SECONDS_TOTAL);
    pressure(
        memory.pressure(),
        ContainerMetric.PRESSURE_MEMORY_WAITING_SECONDS_TOTAL,
        ContainerMetric.PRESSURE_MEMORY_STALLED_SECONDS_TOTAL);
    pressure(
        usage.io().pressure(),
        ContainerMetric.PRESSURE_IO_WAITING_SECONDS_TOTAL,
        ContainerMetric.PRESSURE_IO_STALLED_SECONDS_TOTAL);
    usage.io().devices().forEach(this::device);
    return this;
  }

  private void pressure(Pressure pressure, ContainerMetric some, ContainerMetric full) {
    add(some, seconds(pressure.some().totalMicroseconds()));
    add(full, seconds(pressure.full().totalMicroseconds()));
  }

  private void device(GroupUsage.Device device) {
    String name = "/dev/" + name(device);
    String major = String.valueOf(device.major());
    String minor = String.valueOf(device.minor());
    add(ContainerMetric.FS_READS_BYTES_TOTAL, device.readBytes(), name);
    add(ContainerMetric.FS_READS_TOTAL, device.reads(), name);
    add(ContainerMetric.FS_WRITES_BYTES_TOTAL, device.writtenBytes(), name);
    add(ContainerMetric.FS_WRITES_TOTAL, device.writes(), name);
    add(ContainerMetric.BLKIO_DEVICE_USAGE_TOTAL, device.readBytes(), name, major, minor, "Read");
    add(
        ContainerMetric.BLKIO_DEVICE_USAGE_TOTAL,
        device.writtenBytes(),
        name,
        major,
        minor,
        "Write");
  }

  /** The kernel's name of a block device; its numbers when it has none. */
  private static String name(GroupUsage.Device device) {
    String numbers = device.major() + ":" + device.minor();
    try {
      return Files.readSymbolicLink(Path.of("/sys/dev/block", numbers)).getFileName().toString();
    } catch (IOException unknown) {
      return numbers;
    }
  }

  /** The interfaces of a pod. */
  public MetricValues network(List<NetworkInterface> interfaces) {
    for (NetworkInterface one : interfaces) {
      NetworkInterface.Direction in = one.received();
      NetworkInterface.Direction out = one.sent();
      add(ContainerMetric.NETWORK_RECEIVE_BYTES_TOTAL, in.bytes(), one.name());
      add(ContainerMetric.NETWORK_RECEIVE_PACKETS_TOTAL, in.packets(), one.name());
      add(ContainerMetric.NETWORK_RECEIVE_PACKETS_DROPPED_TOTAL, in.dropped(), one.name());
      add(ContainerMetric.NETWORK_RECEIVE_ERRORS_TOTAL, in.errors(), one.name());
      add(ContainerMetric.NETWORK_TRANSMIT_BYTES_TOTAL, out.bytes(), one.name());
      add(ContainerMetric.NETWORK_TRANSMIT_PACKETS_TOTAL, out.packets(), one.name());
      add(ContainerMetric.NETWORK_TRANSMIT_PACKETS_DROPPED_TOTAL, out.dropped(), one.name());
      add(ContainerMetric.NETWORK_TRANSMIT_ERRORS_TOTAL, out.errors(), one.name());
    }
    return this;
  }

  /**
   * The writable layer.
   *
   * @param room absent when it was not measured yet
   * @param device the name of its filesystem's device
   */
  public MetricValues disk(
      Optional<WritableLayers.Room> room, FilesystemSpace space, String device) {
    room.ifPresent(known -> add(ContainerMetric.FS_USAGE_BYTES, known.bytes(), device));
    add(ContainerMetric.FS_LIMIT_BYTES, space.bytes(), device);
    add(ContainerMetric.FS_INODES_FREE, space.freeInodes(), device);
    add(ContainerMetric.FS_INODES_TOTAL, space.inodes(), device);
    return this;
  }

  /** Its processes, and the tasks that its group counts. */
  public MetricValues processes(ProcessUsage processes, GroupUsage.Tasks tasks) {
    add(ContainerMetric.PROCESSES, processes.processes());
    add(ContainerMetric.THREADS, tasks.current().orElse(processes.threads()));
    add(ContainerMetric.THREADS_MAX, tasks.limit().orElse(0));
    add(ContainerMetric.FILE_DESCRIPTORS, processes.descriptors());
    add(ContainerMetric.SOCKETS, processes.sockets());
    processes
        .openFilesLimit()
        .ifPresent(limit -> add(ContainerMetric.ULIMITS_SOFT, limit, "max_open_files"));
    return this;
  }

  /** Its huge pages. */
  public MetricValues hugePages(List<HugePages> pages) {
    for (HugePages size : pages) {
      add(ContainerMetric.HUGETLB_USAGE_BYTES, size.bytes(), size.size());
      add(ContainerMetric.HUGETLB_MAX_USAGE_BYTES, size.most(), size.size());
    }
    return this;
  }

  /** What it was allowed, and since when it runs. */
  public MetricValues allowed(Allowed allowed, Instant start, Instant now) {
    add(ContainerMetric.SPEC_CPU_PERIOD, Math.max(0, allowed.cpuPeriod()));
    add(ContainerMetric.SPEC_CPU_QUOTA, Math.max(0, allowed.cpuQuota()));
    add(ContainerMetric.SPEC_CPU_SHARES, Math.max(0, allowed.cpuShares()));
    add(ContainerMetric.SPEC_MEMORY_LIMIT_BYTES, Math.max(0, allowed.memoryLimit()));
    // CRI has no field for a reservation
    add(ContainerMetric.SPEC_MEMORY_RESERVATION_LIMIT_BYTES, 0);
    add(ContainerMetric.SPEC_MEMORY_SWAP_LIMIT_BYTES, Math.max(0, allowed.swapLimit()));
    add(ContainerMetric.START_TIME_SECONDS, start.getEpochSecond());
    add(ContainerMetric.LAST_SEEN, now.getEpochSecond());
    return this;
  }

  /** All of them. */
  public List<ContainerMetric.Value> values() {
    return List.copyOf(values);
  }

  private void add(ContainerMetric metric, long value, String... labels) {
    values.add(metric.of(value, labels));
  }

  private static long seconds(long microseconds) {
    return microseconds / MICROSECONDS;
  }
}
