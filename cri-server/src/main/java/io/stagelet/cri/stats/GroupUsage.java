package io.stagelet.cri.stats;

import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * What a control group (version 2) uses, with all below it. A controller that is off there gives
 * zeros.
 *
 * @param at when it was read
 */
public record GroupUsage(Instant at, Cpu cpu, Memory memory, Swap swap, Io io, Tasks tasks) {
  /**
   * Processor time.
   *
   * @param periods how many periods of its quota have begun
   * @param throttledPeriods in how many of them the quota was used up
   */
  public record Cpu(
      long usageMicroseconds,
      long userMicroseconds,
      long systemMicroseconds,
      long periods,
      long throttledPeriods,
      long throttledMicroseconds,
      Pressure pressure) {
    static final Cpu NONE = new Cpu(0, 0, 0, 0, 0, 0, Pressure.NONE);
  }

  /**
   * Memory, in bytes.
   *
   * @param limit absent for none
   * @param anonymous what the field calls RSS
   * @param file page cache
   * @param faults all page faults
   * @param majorFaults those that had to be read from a disk
   * @param limitHits how often the limit was reached
   * @param outOfMemoryKills how many processes the kernel killed for it
   */
  public record Memory(
      long current,
      OptionalLong limit,
      long anonymous,
      long file,
      long mappedFile,
      long activeFile,
      long inactiveFile,
      long kernel,
      long faults,
      long majorFaults,
      long limitHits,
      long outOfMemoryKills,
      Pressure pressure) {
    static final Memory NONE =
        new Memory(0, OptionalLong.empty(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Pressure.NONE);

    /** What cannot be had back at once: all but the file pages that were not used lately. */
    public long workingSet() {
      return Math.max(0, current - inactiveFile);
    }

    /** What is left until the limit; absent where there is none. */
    public OptionalLong available() {
      return limit.isPresent()
          ? OptionalLong.of(Math.max(0, limit.getAsLong() - workingSet()))
          : OptionalLong.empty();
    }
  }

  /**
   * Swap, in bytes.
   *
   * @param limit absent for none
   */
  public record Swap(long current, OptionalLong limit) {
    static final Swap NONE = new Swap(0, OptionalLong.empty());
  }

  /** Input and output by device; devices are read for metrics only. */
  public record Io(List<Device> devices, Pressure pressure) {
    static final Io NONE = new Io(List.of(), Pressure.NONE);

    public Io {
      devices = List.copyOf(devices);
    }
  }

  /** One block device. */
  public record Device(
      int major, int minor, long readBytes, long writtenBytes, long reads, long writes) {}

  /**
   * Tasks: threads, of which a process has at least one.
   *
   * @param current absent where the controller is off
   * @param limit absent for none
   */
  public record Tasks(OptionalLong current, OptionalLong limit) {
    static final Tasks NONE = new Tasks(OptionalLong.empty(), OptionalLong.empty());
  }

  /** What a group uses that is not there. */
  public static GroupUsage none(Instant at) {
    return new GroupUsage(at, Cpu.NONE, Memory.NONE, Swap.NONE, Io.NONE, Tasks.NONE);
  }

  /** How much is read of a group. */
  public enum Detail {
    /** What stats tell: ten files. */
    STATS,
    /** What metrics tell too: devices and limits of tasks. */
    METRICS
  }

  /** Reads the group whose directory this is. */
  public static GroupUsage read(KernelFiles files, Path group, Detail detail, Instant at) {
    Keyed cpu = Keyed.parse(files.text(group.resolve("cpu.stat")));
    return new GroupUsage(
        at,
        new Cpu(
            cpu.get("usage_usec"),
            cpu.get("user_usec"),
            cpu.get("system_usec"),
            cpu.get("nr_periods"),
            cpu.get("nr_throttled"),
            cpu.get("throttled_usec"),
            pressure(files, group, "cpu.pressure")),
        memory(files, group),
        swap(files, group),
        new Io(
            detail == Detail.METRICS ? devices(files.text(group.resolve("io.stat"))) : List.of(),
            pressure(files, group, "io.pressure")),
        new Tasks(
            number(files, group, "pids.current"),
            detail == Detail.METRICS ? number(files, group, "pids.max") : OptionalLong.empty()));
  }

  private static Memory memory(KernelFiles files, Path group) {
    Pressure pressure = pressure(files, group, "memory.pressure");
    OptionalLong current = number(files, group, "memory.current");
    if (current.isEmpty()) {
      // the controller is off: its other files are not there either
      return new Memory(0, OptionalLong.empty(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, pressure);
    }
    Keyed stat = Keyed.parse(files.text(group.resolve("memory.stat")));
    Keyed events = Keyed.parse(files.text(group.resolve("memory.events")));
    return new Memory(
        current.getAsLong(),
        number(files, group, "memory.max"),
        stat.get("anon"),
        stat.get("file"),
        stat.get("file_mapped"),
        stat.get("active_file"),
        stat.get("inactive_file"),
        stat.get("kernel"),
        stat.get("pgfault"),
        stat.get("pgmajfault"),
        events.get("max"),
        events.get("oom_kill"),
        pressure);
  }

  /** The most memory that a group had at once; zero where the kernel (before 5.19) does not say. */
  public static long memoryPeak(KernelFiles files, Path group) {
    return number(files, group, "memory.peak").orElse(0);
  }

  private static Swap swap(KernelFiles files, Path group) {
    OptionalLong current = number(files, group, "memory.swap.current");
    return current.isEmpty()
        ? Swap.NONE
        : new Swap(current.getAsLong(), number(files, group, "memory.swap.max"));
  }

  private static List<Device> devices(String text) {
    List<Device> devices = new ArrayList<>();
    for (String line : text.lines().toList()) {
      String[] words = line.split(" ");
      String[] numbers = words[0].split(":");
      OptionalLong major = numbers.length == 2 ? Keyed.number(numbers[0]) : OptionalLong.empty();
      OptionalLong minor = numbers.length == 2 ? Keyed.number(numbers[1]) : OptionalLong.empty();
      if (major.isPresent() && minor.isPresent()) {
        Keyed values = Keyed.parse(line.replace(' ', '\n').replace('=', ' '));
        devices.add(
            new Device(
                (int) major.getAsLong(),
                (int) minor.getAsLong(),
                values.get("rbytes"),
                values.get("wbytes"),
                values.get("rios"),
                values.get("wios")));
      }
    }
    return devices;
  }

  private static Pressure pressure(KernelFiles files, Path group, String name) {
    return Pressure.parse(files.text(group.resolve(name)));
  }

  private static OptionalLong number(KernelFiles files, Path group, String name) {
    return Keyed.number(files.text(group.resolve(name)));
  }

  /**
   * Both together, for a pod that has no group of its own. Pressure does not add up: the greater
   * one stands for both.
   */
  public GroupUsage plus(GroupUsage other) {
    return new GroupUsage(
        at.isAfter(other.at) ? at : other.at,
        new Cpu(
            cpu.usageMicroseconds + other.cpu.usageMicroseconds,
            cpu.userMicroseconds + other.cpu.userMicroseconds,
            cpu.systemMicroseconds + other.cpu.systemMicroseconds,
            cpu.periods + other.cpu.periods,
            cpu.throttledPeriods + other.cpu.throttledPeriods,
            cpu.throttledMicroseconds + other.cpu.throttledMicroseconds,
            greater(cpu.pressure, other.cpu.pressure)),
        new Memory(
            memory.current + other.memory.current,
            OptionalLong.empty(),
            memory.anonymous + other.memory.anonymous,
            memory.file + other.memory.file,
            memory.mappedFile + other.memory.mappedFile,
            memory.activeFile + other.memory.activeFile,
            memory.inactiveFile + other.memory.inactiveFile,
            memory.kernel + other.memory.kernel,
            memory.faults + other.memory.faults,
            memory.majorFaults + other.memory.majorFaults,
            memory.limitHits + other.memory.limitHits,
            memory.outOfMemoryKills + other.memory.outOfMemoryKills,
            greater(memory.pressure, other.memory.pressure)),
        new Swap(swap.current + other.swap.current, OptionalLong.empty()),
        new Io(io.devices, greater(io.pressure, other.io.pressure)),
        new Tasks(sum(tasks.current, other.tasks.current), OptionalLong.empty()));
  }

  private static OptionalLong sum(OptionalLong one, OptionalLong other) {
    return one.isEmpty() && other.isEmpty()
        ? OptionalLong.empty()
        : OptionalLong.of(one.orElse(0) + other.orElse(0));
  }

  private static Pressure greater(Pressure one, Pressure other) {
    return one.some().totalMicroseconds() >= other.some().totalMicroseconds() ? one : other;
  }
}
