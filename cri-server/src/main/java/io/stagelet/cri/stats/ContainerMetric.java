package io.stagelet.cri.stats;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The metrics that there are, with the names and labels by which cAdvisor made them known: whoever
 * has dashboards and alerts of those need not change them. A constant's name is the metric's, but
 * for the prefix {@code container_}.
 */
public enum ContainerMetric {
  /** See {@link #help()}, as with all others. */
  CPU_USER_SECONDS_TOTAL(Kind.COUNTER, "Processor time spent in user mode, in seconds."),
  CPU_SYSTEM_SECONDS_TOTAL(Kind.COUNTER, "Processor time spent in the kernel, in seconds."),
  CPU_USAGE_SECONDS_TOTAL(Kind.COUNTER, "Processor time spent, in seconds.", "cpu"),
  CPU_CFS_PERIODS_TOTAL(Kind.COUNTER, "Periods of the processor quota that have begun."),
  CPU_CFS_THROTTLED_PERIODS_TOTAL(Kind.COUNTER, "Periods in which the quota was used up."),
  CPU_CFS_THROTTLED_SECONDS_TOTAL(
      Kind.COUNTER, "Time spent waiting for the next period, in seconds."),

  MEMORY_CACHE(Kind.GAUGE, "Page cache, in bytes."),
  MEMORY_RSS(Kind.GAUGE, "Anonymous memory, in bytes."),
  MEMORY_KERNEL_USAGE(Kind.GAUGE, "Memory of the kernel for it, in bytes."),
  MEMORY_MAPPED_FILE(Kind.GAUGE, "Mapped files in memory, in bytes."),
  MEMORY_SWAP(Kind.GAUGE, "Memory swapped out, in bytes."),
  MEMORY_FAILCNT(Kind.COUNTER, "Times that the memory limit was reached."),
  MEMORY_USAGE_BYTES(Kind.GAUGE, "Memory, all kinds together, in bytes."),
  MEMORY_MAX_USAGE_BYTES(Kind.GAUGE, "The most memory it had at once, in bytes."),
  MEMORY_WORKING_SET_BYTES(
      Kind.GAUGE, "Memory but for file pages not used lately, in bytes; kubelet evicts by it."),
  MEMORY_TOTAL_ACTIVE_FILE_BYTES(Kind.GAUGE, "File pages used lately, in bytes."),
  MEMORY_TOTAL_INACTIVE_FILE_BYTES(Kind.GAUGE, "File pages not used lately, in bytes."),
  MEMORY_FAILURES_TOTAL(Kind.COUNTER, "Page faults.", "failure_type", "scope"),
  OOM_EVENTS_TOTAL(Kind.COUNTER, "Processes that the kernel killed for want of memory."),

  NETWORK_RECEIVE_BYTES_TOTAL(Kind.COUNTER, "Bytes received.", "interface"),
  NETWORK_RECEIVE_PACKETS_TOTAL(Kind.COUNTER, "Packets received.", "interface"),
  NETWORK_RECEIVE_PACKETS_DROPPED_TOTAL(Kind.COUNTER, "Packets dropped on reception.", "interface"),
  NETWORK_RECEIVE_ERRORS_TOTAL(Kind.COUNTER, "Errors on reception.", "interface"),
  NETWORK_TRANSMIT_BYTES_TOTAL(Kind.COUNTER, "Bytes sent.", "interface"),
  NETWORK_TRANSMIT_PACKETS_TOTAL(Kind.COUNTER, "Packets sent.", "interface"),
  NETWORK_TRANSMIT_PACKETS_DROPPED_TOTAL(
      Kind.COUNTER, "Packets dropped instead of sent.", "interface"),
  NETWORK_TRANSMIT_ERRORS_TOTAL(Kind.COUNTER, "Errors on sending.", "interface"),

  FS_USAGE_BYTES(Kind.GAUGE, "Room its writable layer takes, in bytes.", "device"),
  FS_LIMIT_BYTES(Kind.GAUGE, "Size of the filesystem of the writable layer, in bytes.", "device"),
  FS_INODES_FREE(Kind.GAUGE, "Inodes left in that filesystem.", "device"),
  FS_INODES_TOTAL(Kind.GAUGE, "Inodes of that filesystem.", "device"),

  FS_READS_BYTES_TOTAL(Kind.COUNTER, "Bytes read from a block device.", "device"),
  FS_READS_TOTAL(Kind.COUNTER, "Reads from a block device.", "device"),
  FS_WRITES_BYTES_TOTAL(Kind.COUNTER, "Bytes written to a block device.", "device"),
  FS_WRITES_TOTAL(Kind.COUNTER, "Writes to a block device.", "device"),
  BLKIO_DEVICE_USAGE_TOTAL(
      Kind.COUNTER,
      "Bytes read from and written to a block device.",
      "device",
      "major",
      "minor",
      "operation"),

  PROCESSES(Kind.GAUGE, "Processes."),
  THREADS(Kind.GAUGE, "Threads."),
  THREADS_MAX(Kind.GAUGE, "The most threads it may have; zero for no limit."),
  FILE_DESCRIPTORS(Kind.GAUGE, "Open files of its processes."),
  SOCKETS(Kind.GAUGE, "Open sockets of its processes."),
  ULIMITS_SOFT(Kind.GAUGE, "Soft limits of its first process.", "ulimit"),

  PRESSURE_CPU_WAITING_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which a task waited for a processor, in seconds."),
  PRESSURE_CPU_STALLED_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which all tasks waited for a processor, in seconds."),
  PRESSURE_MEMORY_WAITING_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which a task waited for memory, in seconds."),
  PRESSURE_MEMORY_STALLED_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which all tasks waited for memory, in seconds."),
  PRESSURE_IO_WAITING_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which a task waited for a disk, in seconds."),
  PRESSURE_IO_STALLED_SECONDS_TOTAL(
      Kind.COUNTER, "Time in which all tasks waited for a disk, in seconds."),

  HUGETLB_USAGE_BYTES(Kind.GAUGE, "Huge pages, in bytes.", "pagesize"),
  HUGETLB_MAX_USAGE_BYTES(
      Kind.GAUGE, "The most huge pages it had when metrics were asked for, in bytes.", "pagesize"),

  SPEC_CPU_PERIOD(Kind.GAUGE, "Period of the processor quota, in microseconds."),
  SPEC_CPU_QUOTA(Kind.GAUGE, "Processor time it may use in a period, in microseconds."),
  SPEC_CPU_SHARES(Kind.GAUGE, "Its share of the processors, relative to others."),
  SPEC_MEMORY_LIMIT_BYTES(Kind.GAUGE, "Memory limit, in bytes; zero for none."),
  SPEC_MEMORY_RESERVATION_LIMIT_BYTES(Kind.GAUGE, "Memory kept for it, in bytes; zero for none."),
  SPEC_MEMORY_SWAP_LIMIT_BYTES(Kind.GAUGE, "Swap limit, in bytes; zero for none."),

  START_TIME_SECONDS(Kind.GAUGE, "When it was started, in seconds since 1970."),
  LAST_SEEN(Kind.GAUGE, "When this was read, in seconds since 1970.");

  /** Whether a metric only grows. */
  public enum Kind {
    COUNTER,
    GAUGE
  }

  /** The labels that all metrics have, first. */
  public static final List<String> COMMON_LABELS =
      List.of("id", "name", "image", "namespace", "pod", "container");

  private final Kind kind;
  private final String help;

  /** The names of its own labels, with a space between. */
  private final String labels;

  ContainerMetric(Kind kind, String help, String... labels) {
    this.kind = kind;
    this.help = help;
    this.labels = String.join(" ", labels);
  }

  /** Its name for the world. */
  public String metricName() {
    return "container_" + name().toLowerCase(Locale.ROOT);
  }

  /** What it is. */
  public String help() {
    return help;
  }

  /** Whether it only grows. */
  public Kind kind() {
    return kind;
  }

  /** The names of all its labels, the common ones first. */
  public List<String> labels() {
    List<String> all = new ArrayList<>(COMMON_LABELS);
    all.addAll(ownLabels());
    return all;
  }

  private List<String> ownLabels() {
    return labels.isEmpty() ? List.of() : List.of(labels.split(" "));
  }

  /** A value of it, with the values of the labels that are its own. */
  Value of(long value, String... labelValues) {
    if (labelValues.length != ownLabels().size()) {
      throw new IllegalArgumentException(
          "%s has the labels %s, not %d".formatted(metricName(), labels, labelValues.length));
    }
    return new Value(this, List.of(labelValues), value);
  }

  /** A value of a metric. */
  public record Value(ContainerMetric metric, List<String> labelValues, long value) {}
}
