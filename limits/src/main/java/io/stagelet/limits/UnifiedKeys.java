package io.stagelet.limits;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.units.UnitProperty;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.LongFunction;
import java.util.regex.Pattern;

/**
 * Files of a control group that are asked for by name ({@code unified}; the kernel's cgroup-v2
 * document says what each takes), as the properties of systemd that write them. A file for which
 * systemd has no property is for whoever holds the delegated control group.
 */
final class UnifiedKeys {
  private static final Pattern KEY = Pattern.compile("[a-z0-9_]+(\\.[A-Za-z0-9_-]+)+");
  private static final Pattern DEVICE = Pattern.compile("[0-9]{1,7}:[0-9]{1,7}");
  private static final String MAX = "max";
  private static final long DEFAULT_PERIOD = 100_000;
  private static final long SECOND = 1_000_000;

  /** The files by which a group is arranged rather than limited, but for these. */
  private static final List<String> LIMITS_OF_GROUPS =
      List.of("cgroup.max.depth", "cgroup.max.descendants");

  private static final Map<String, BiFunction<String, String, List<UnitProperty>>> PROPERTIES =
      Map.ofEntries(
          Map.entry("memory.max", amount(UnitProperty::memoryMax)),
          Map.entry("memory.high", amount(UnitProperty::memoryHigh)),
          Map.entry("memory.low", amount(UnitProperty::memoryLow)),
          Map.entry("memory.min", amount(UnitProperty::memoryMin)),
          Map.entry("memory.swap.max", amount(UnitProperty::memorySwapMax)),
          Map.entry("memory.zswap.max", amount(UnitProperty::memoryZswapMax)),
          Map.entry("pids.max", amount(UnitProperty::tasksMax)),
          Map.entry("cpu.weight", amount(UnitProperty::cpuWeight)),
          Map.entry("cpu.max", UnifiedKeys::cpuMax),
          Map.entry("cpuset.cpus", (_, value) -> List.of(UnitProperty.allowedCpus(value))),
          Map.entry("cpuset.mems", (_, value) -> List.of(UnitProperty.allowedMemoryNodes(value))),
          Map.entry("io.weight", UnifiedKeys::ioWeight),
          Map.entry("io.max", UnifiedKeys::ioMax),
          Map.entry("io.latency", UnifiedKeys::ioLatency));

  private UnifiedKeys() {}

  /** Whether systemd has a property for it. */
  static boolean isProperty(String key) {
    return PROPERTIES.containsKey(key);
  }

  /**
   * The properties that write a file.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the file does not take this
   */
  static List<UnitProperty> properties(String key, String value) {
    BiFunction<String, String, List<UnitProperty>> property = PROPERTIES.get(key);
    if (property == null) {
      throw new IllegalArgumentException(key + " is no property of systemd");
    }
    return property.apply(key, value.strip());
  }

  /**
   * Checks the name of a file that is to be written as it is, and gives what is written, one write
   * each.
   */
  static List<String> writes(String key, String value) {
    if (!KEY.matcher(key).matches()
        || (key.startsWith("cgroup.") && !LIMITS_OF_GROUPS.contains(key))) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "resources.unified: '%s' is not a file of a control group that limits something"
              .formatted(key));
    }
    return value.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
  }

  private static BiFunction<String, String, List<UnitProperty>> amount(
      LongFunction<UnitProperty> property) {
    return (key, value) -> List.of(property.apply(number(key, value)));
  }

  /** {@code QUOTA PERIOD}, in microseconds; the quota may be {@code max}. */
  private static List<UnitProperty> cpuMax(String key, String value) {
    String[] words = value.split(" +", 2);
    long quota = number(key, words[0]);
    long period = words.length == 2 ? number(key, words[1]) : DEFAULT_PERIOD;
    if (period <= 0) {
      throw wrong(key, value);
    }
    return List.of(
        UnitProperty.cpuQuotaPerSecUSec(
            quota < 0 ? UnitProperty.INFINITY : Math.max(1, quota * SECOND / period)),
        UnitProperty.cpuQuotaPeriodUSec(period));
  }

  /** A line {@code default WEIGHT}, or the weight alone, and a line for each device. */
  private static List<UnitProperty> ioWeight(String key, String value) {
    List<UnitProperty> properties = new ArrayList<>();
    List<UnitProperty.DeviceNumber> devices = new ArrayList<>();
    for (String line : value.lines().toList()) {
      String[] words = line.strip().split(" +", 2);
      if (words.length == 1) {
        properties.add(UnitProperty.ioWeight(number(key, words[0])));
      } else if (words[0].equals("default")) {
        properties.add(UnitProperty.ioWeight(number(key, words[1])));
      } else {
        devices.add(new UnitProperty.DeviceNumber(device(key, words[0]), number(key, words[1])));
      }
    }
    if (!devices.isEmpty()) {
      properties.add(UnitProperty.ioDeviceWeight(devices));
    }
    return properties;
  }

  /** A line {@code MAJOR:MINOR rbps=N wbps=N riops=N wiops=N} for each device. */
  private static List<UnitProperty> ioMax(String key, String value) {
    Map<String, List<UnitProperty.DeviceNumber>> limits = new LinkedHashMap<>();
    for (String line : value.lines().toList()) {
      String[] words = line.strip().split(" +");
      for (int i = 1; i < words.length; i++) {
        String[] limit = words[i].split("=", 2);
        if (limit.length != 2) {
          throw wrong(key, line);
        }
        limits
            .computeIfAbsent(limit[0], _ -> new ArrayList<>())
            .add(new UnitProperty.DeviceNumber(device(key, words[0]), number(key, limit[1])));
      }
    }
    List<UnitProperty> properties = new ArrayList<>();
    limits.forEach((what, devices) ->
        properties.add(
            switch (what) {
              case "rbps" -> UnitProperty.ioReadBandwidthMax(devices);
              case "wbps" -> UnitProperty.ioWriteBandwidthMax(devices);
              case "riops" -> UnitProperty.ioReadOperationsMax(devices);
              case "wiops" -> UnitProperty.ioWriteOperationsMax(devices);
              default -> throw wrong(key, value);
            }));
    return properties;
  }

  /** A line {@code MAJOR:MINOR target=MICROSECONDS} for each device. */
  private static List<UnitProperty> ioLatency(String key, String value) {
    List<UnitProperty.DeviceNumber> targets = new ArrayList<>();
    for (String line : value.lines().toList()) {
      String[] words = line.strip().split(" +target=", 2);
      if (words.length != 2) {
        throw wrong(key, line);
      }
      targets.add(new UnitProperty.DeviceNumber(device(key, words[0]), number(key, words[1])));
    }
    return List.of(UnitProperty.ioDeviceLatencyTarget(targets));
  }

  /** systemd takes paths; udev keeps a link to each disk by its number. */
  private static Path device(String key, String numbers) {
    if (!DEVICE.matcher(numbers).matches()) {
      throw wrong(key, numbers);
    }
    return Path.of("/dev/block", numbers);
  }

  private static long number(String key, String text) {
    if (text.equals(MAX)) {
      return UnitProperty.INFINITY;
    }
    if (!text.matches("[0-9]{1,18}")) {
      throw wrong(key, text);
    }
    return Long.parseLong(text);
  }

  private static StageletException wrong(String key, String value) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "resources.unified: %s cannot be '%s'".formatted(key, value.strip()));
  }
}
