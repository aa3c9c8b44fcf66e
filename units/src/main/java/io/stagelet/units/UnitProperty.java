package io.stagelet.units;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A property of a unit with its value, each kind with the one D-Bus type systemd takes for it
 * ({@code org.freedesktop.systemd1(5)}, and {@code systemd.resource-control(5)} for the meaning of
 * most made here).
 *
 * <p>The same values serve {@link TransientUnit} and {@link Units#setProperties}; systemd lets only
 * those of {@code systemd.resource-control(5)} and the description be changed on a running unit.
 */
public sealed interface UnitProperty {
  /** No limit, where a property takes a number of bytes, tasks or microseconds. */
  long INFINITY = -1;

  /** The property's name as the bus knows it. */
  String name();

  /** A yes or no ({@code b}). */
  record Flag(String name, boolean value) implements UnitProperty {}

  /** A number from 0 to 2^32-1 ({@code u}). */
  record Number32(String name, long value) implements UnitProperty {
    public Number32 {
      inRange(name, value, 0, 0xFFFF_FFFFL);
    }
  }

  /** A number ({@code t}), or {@link #INFINITY}. */
  record Number64(String name, long value) implements UnitProperty {
    public Number64 {
      inRange(name, value, INFINITY, Long.MAX_VALUE);
    }
  }

  /** A number that may be negative ({@code i}). */
  record Signed32(String name, int value) implements UnitProperty {}

  /** Journal fields, each {@code NAME=value} ({@code aay}). */
  record LogFields(String name, List<String> values) implements UnitProperty {
    public LogFields {
      values = List.copyOf(values);
    }
  }

  /** A text ({@code s}). */
  record Text(String name, String value) implements UnitProperty {
    public Text {
      withoutZero(name, value);
    }
  }

  /**
   * Texts ({@code as}). For most properties they add to those set before, and an empty list empties
   * it.
   */
  record Texts(String name, List<String> values) implements UnitProperty {
    public Texts {
      values = List.copyOf(values);
      for (String value : values) {
        withoutZero(name, value);
      }
    }
  }

  /** Bytes ({@code ay}). */
  record Bytes(String name, byte[] value) implements UnitProperty {
    public Bytes {
      value = value.clone();
    }

    @Override
    public byte[] value() {
      return value.clone();
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Bytes bytes
          && name.equals(bytes.name)
          && Arrays.equals(value, bytes.value);
    }

    @Override
    public int hashCode() {
      return Objects.hash(name, Arrays.hashCode(value));
    }

    @Override
    public String toString() {
      return name + "=" + Arrays.toString(value);
    }
  }

  /** A time span in microseconds ({@code t}); one that does not fit is infinite. */
  record Span(String name, Duration value) implements UnitProperty {
    public Span {
      if (value.isNegative()) {
        throw new IllegalArgumentException("%s is negative: %s".formatted(name, value));
      }
    }

    /** The microseconds, or {@link #INFINITY}; less than one counts as one. */
    public long microseconds() {
      if (value.getSeconds() > Long.MAX_VALUE / 1_000_000 - 1) {
        return INFINITY;
      }
      return value.getSeconds() * 1_000_000 + (value.getNano() + 999) / 1_000;
    }
  }

  /** Commands ({@code a(sasas)}). */
  record Commands(String name, List<ExecCommand> values) implements UnitProperty {
    public Commands {
      values = List.copyOf(values);
    }
  }

  /** What is shown elsewhere too ({@code a(ssbt)}). */
  record Binds(String name, List<Bind> values) implements UnitProperty {
    public Binds {
      values = List.copyOf(values);
    }
  }

  /**
   * A file or directory that the service sees at another place too, with all that is mounted below
   * it.
   */
  record Bind(String source, String destination) {
    public Bind {
      withoutZero("a bind", source);
      withoutZero("a bind", destination);
    }
  }

  /**
   * System calls, each by its name ({@code (bas)}).
   *
   * @param allowed whether these alone may be made; else these alone may not
   */
  record SystemCalls(String name, boolean allowed, List<String> values) implements UnitProperty {
    public SystemCalls {
      values = List.copyOf(values);
    }
  }

  /** A name that must be known to the kernel, else the unit fails ({@code (bs)}). */
  record Label(String name, String value) implements UnitProperty {
    public Label {
      withoutZero(name, value);
    }
  }

  /** Devices and what may be done with them ({@code a(ss)}). */
  record DeviceRules(String name, List<DeviceRule> values) implements UnitProperty {
    public DeviceRules {
      values = List.copyOf(values);
    }
  }

  /** A number for each of some devices ({@code a(st)}). */
  record DeviceNumbers(String name, List<DeviceNumber> values) implements UnitProperty {
    public DeviceNumbers {
      values = List.copyOf(values);
    }
  }

  /**
   * What may be done with a device.
   *
   * @param device a path below {@code /dev}, or {@code block-} or {@code char-} with a driver's
   *     name from {@code /proc/devices}, or with {@code *}
   * @param access of {@code r} (read), {@code w} (write), {@code m} (make a node), one or more
   */
  record DeviceRule(String device, String access) {
    public DeviceRule {
      withoutZero("a device", device);
      if (!access.matches("[rwm]{1,3}")) {
        throw new IllegalArgumentException(
            "the access '%s' to %s is not made of r, w and m".formatted(access, device));
      }
    }
  }

  /**
   * A number for a device.
   *
   * @param device its node, or any file on it
   * @param value bytes or operations a second, or a weight; or {@link #INFINITY}
   */
  record DeviceNumber(Path device, long value) {
    public DeviceNumber {
      inRange(device.toString(), value, INFINITY, Long.MAX_VALUE);
    }
  }

  /** The unit's description, for people. */
  static UnitProperty description(String text) {
    return new Text("Description", text);
  }

  /** The most memory, in bytes, or {@link #INFINITY}; above it processes are killed. */
  static UnitProperty memoryMax(long bytes) {
    return new Number64("MemoryMax", bytes);
  }

  /** The memory, in bytes, above which processes are slowed down; or {@link #INFINITY}. */
  static UnitProperty memoryHigh(long bytes) {
    return new Number64("MemoryHigh", bytes);
  }

  /**
   * The memory, in bytes, below which none is taken away while others have some to give; or {@link
   * #INFINITY}.
   */
  static UnitProperty memoryLow(long bytes) {
    return new Number64("MemoryLow", bytes);
  }

  /** The memory, in bytes, below which none is taken away; or {@link #INFINITY}. */
  static UnitProperty memoryMin(long bytes) {
    return new Number64("MemoryMin", bytes);
  }

  /** The most swap space, in bytes, or {@link #INFINITY}. */
  static UnitProperty memorySwapMax(long bytes) {
    return new Number64("MemorySwapMax", bytes);
  }

  /** The most compressed swap in memory, in bytes, or {@link #INFINITY}. */
  static UnitProperty memoryZswapMax(long bytes) {
    return new Number64("MemoryZSwapMax", bytes);
  }

  /** The share of the processors, from 1 to 10000; 100 is the default. */
  static UnitProperty cpuWeight(long weight) {
    return new Number64("CPUWeight", inRange("CPUWeight", weight, 1, 10_000));
  }

  /**
   * The same by shares of cgroup v1, from 2 to 262144 (others count as the nearest of these), on
   * the line that kubelet itself uses.
   */
  static UnitProperty cpuShares(long shares) {
    return cpuWeight(1 + (Math.clamp(shares, 2L, 262_144L) - 2) * 9_999 / 262_142);
  }

  /**
   * The most processor time in each second, in microseconds: 1,000,000 is one whole processor; or
   * {@link #INFINITY}.
   */
  static UnitProperty cpuQuotaPerSecUSec(long microseconds) {
    return new Number64("CPUQuotaPerSecUSec", microseconds);
  }

  /**
   * The period over which the quota is measured, in microseconds: 1,000 to 1,000,000; or {@link
   * #INFINITY}.
   */
  static UnitProperty cpuQuotaPeriodUSec(long microseconds) {
    return new Number64(
        "CPUQuotaPeriodUSec",
        microseconds == INFINITY
            ? INFINITY
            : inRange("CPUQuotaPeriodUSec", microseconds, 1_000, 1_000_000));
  }

  /** The processors it may run on; none in the set means all. */
  static UnitProperty allowedCpus(BitSet cpus) {
    return new Bytes("AllowedCPUs", cpus.toByteArray());
  }

  /** The same, from a list such as {@code 0-3,7} ({@code cpuset(7)}); an empty one means all. */
  static UnitProperty allowedCpus(String list) {
    return allowedCpus(CpuList.parse(list));
  }

  /** The memory nodes it may use; none in the set means all. */
  static UnitProperty allowedMemoryNodes(BitSet nodes) {
    return new Bytes("AllowedMemoryNodes", nodes.toByteArray());
  }

  /** The same, from a list such as {@code 0-1} ({@code cpuset(7)}); an empty one means all. */
  static UnitProperty allowedMemoryNodes(String list) {
    return allowedMemoryNodes(CpuList.parse(list));
  }

  /** The most processes and threads, or {@link #INFINITY}. */
  static UnitProperty tasksMax(long tasks) {
    return new Number64("TasksMax", tasks);
  }

  /** The share of the disks, from 1 to 10000; 100 is the default. */
  static UnitProperty ioWeight(long weight) {
    return new Number64("IOWeight", inRange("IOWeight", weight, 1, 10_000));
  }

  /** The share of each disk, from 1 to 10000. */
  static UnitProperty ioDeviceWeight(List<DeviceNumber> weights) {
    weights.forEach(weight -> inRange("IODeviceWeight", weight.value(), 1, 10_000));
    return new DeviceNumbers("IODeviceWeight", weights);
  }

  /** How long a request to each disk may take, in microseconds, before others are slowed down. */
  static UnitProperty ioDeviceLatencyTarget(List<DeviceNumber> targets) {
    return new DeviceNumbers("IODeviceLatencyTargetUSec", targets);
  }

  /** The most bytes read in a second from each device. */
  static UnitProperty ioReadBandwidthMax(List<DeviceNumber> limits) {
    return new DeviceNumbers("IOReadBandwidthMax", limits);
  }

  /** The most bytes written in a second to each device. */
  static UnitProperty ioWriteBandwidthMax(List<DeviceNumber> limits) {
    return new DeviceNumbers("IOWriteBandwidthMax", limits);
  }

  /** The most reads in a second from each device. */
  static UnitProperty ioReadOperationsMax(List<DeviceNumber> limits) {
    return new DeviceNumbers("IOReadIOPSMax", limits);
  }

  /** The most writes in a second to each device. */
  static UnitProperty ioWriteOperationsMax(List<DeviceNumber> limits) {
    return new DeviceNumbers("IOWriteIOPSMax", limits);
  }

  /** Which device nodes may be used at all. */
  static UnitProperty devicePolicy(DevicePolicy policy) {
    return new Text("DevicePolicy", policy.word());
  }

  /**
   * Devices that may be used beyond the {@link #devicePolicy}; an empty list forgets those allowed
   * before.
   */
  static UnitProperty deviceAllow(List<DeviceRule> rules) {
    return new DeviceRules("DeviceAllow", rules);
  }

  /**
   * Journal fields of everything that systemd and the unit's processes log about the unit.
   *
   * @param fields names as the journal wants them: A–Z, 0–9 and underscore
   */
  static UnitProperty logExtraFields(Map<String, String> fields) {
    return new LogFields(
        "LogExtraFields",
        fields.entrySet().stream().map(field -> field.getKey() + "=" + field.getValue()).toList());
  }

  private static long inRange(String name, long value, long least, long most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          "%s is %d, and goes from %d to %d".formatted(name, value, least, most));
    }
    return value;
  }

  private static void withoutZero(String name, String value) {
    if (value.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("the value of %s has a zero character".formatted(name));
    }
  }
}
