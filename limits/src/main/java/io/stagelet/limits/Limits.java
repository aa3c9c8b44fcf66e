package io.stagelet.limits;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.units.UnitProperty;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What a container may use, as properties of its unit; and what systemd has no property for, as
 * files of its control group, which is delegated.
 *
 * @param properties in no order, each name once
 * @param files what is written to the files of the control group, in order
 */
public record Limits(List<UnitProperty> properties, List<Write> files) {
  private static final long DEFAULT_PERIOD = 100_000;
  private static final long SECOND = 1_000_000;
  private static final Pattern PAGE_SIZE = Pattern.compile("[0-9]{1,6}[KMGT]B");

  public Limits {
    properties = List.copyOf(properties);
    files = List.copyOf(files);
  }

  /** A line for a file of the control group. */
  public record Write(String file, String value) {
    /** The controller it belongs to. */
    String controller() {
      return file.substring(0, file.indexOf('.'));
    }
  }

  /**
   * All limits of a container.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when one cannot be had
   */
  public static Limits of(ContainerPlan.Resources resources) {
    try {
      Map<String, UnitProperty> properties = new LinkedHashMap<>();
      // kubelet limits the pod's slice; systemd's own default would be a limit nobody asked for
      add(properties, UnitProperty.tasksMax(UnitProperty.INFINITY));
      cpu(resources).forEach(property -> add(properties, property));
      memory(resources).forEach(property -> add(properties, property));
      if (!resources.cpus().isEmpty()) {
        add(properties, UnitProperty.allowedCpus(resources.cpus()));
      }
      if (!resources.memoryNodes().isEmpty()) {
        add(properties, UnitProperty.allowedMemoryNodes(resources.memoryNodes()));
      }
      List<Write> files = new ArrayList<>();
      new TreeMap<>(resources.hugepages()).forEach((size, bytes) -> hugepages(files, size, bytes));
      new TreeMap<>(resources.unified())
          .forEach((key, value) -> {
            if (UnifiedKeys.isProperty(key)) {
              UnifiedKeys.properties(key, value).forEach(property -> add(properties, property));
            } else {
              UnifiedKeys.writes(key, value).forEach(line -> files.add(new Write(key, line)));
            }
          });
      return new Limits(List.copyOf(properties.values()), files);
    } catch (IllegalArgumentException outOfRange) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the resources cannot be had: " + StageletException.reason(outOfRange),
          outOfRange);
    }
  }

  private static void add(Map<String, UnitProperty> properties, UnitProperty property) {
    properties.put(property.name(), property);
  }

  private static List<UnitProperty> cpu(ContainerPlan.Resources resources) {
    List<UnitProperty> limits = new ArrayList<>();
    if (resources.cpuShares() > 0) {
      limits.add(UnitProperty.cpuShares(resources.cpuShares()));
    }
    long period = resources.cpuPeriod() > 0 ? resources.cpuPeriod() : DEFAULT_PERIOD;
    if (resources.cpuQuota() > 0) {
      limits.add(
          UnitProperty.cpuQuotaPerSecUSec(Math.max(1, resources.cpuQuota() * SECOND / period)));
      limits.add(UnitProperty.cpuQuotaPeriodUSec(period));
    } else if (resources.cpuQuota() < 0) {
      limits.add(UnitProperty.cpuQuotaPerSecUSec(UnitProperty.INFINITY));
    }
    return limits;
  }

  /** Without a word about swap there is none beside a memory limit, as with other runtimes. */
  private static List<UnitProperty> memory(ContainerPlan.Resources resources) {
    List<UnitProperty> limits = new ArrayList<>();
    long memory = resources.memoryLimit();
    long both = resources.swapLimit();
    if (memory != 0) {
      limits.add(UnitProperty.memoryMax(memory < 0 ? UnitProperty.INFINITY : memory));
    }
    if (both > 0 && memory <= 0) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "memory_swap_limit_in_bytes is %d, of memory and swap together, and there is no memory limit"
              .formatted(both));
    }
    if (both > 0 && both < memory) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "memory_swap_limit_in_bytes (%d) is of memory and swap together, and less than the memory limit (%d)"
              .formatted(both, memory));
    }
    if (both < 0 || memory < 0) {
      limits.add(UnitProperty.memorySwapMax(UnitProperty.INFINITY));
    } else if (memory > 0) {
      limits.add(UnitProperty.memorySwapMax(both == 0 ? 0 : both - memory));
    }
    return limits;
  }

  /** What is used, and what is reserved: without the second a process is killed on first use. */
  private static void hugepages(List<Write> files, String size, long bytes) {
    if (!PAGE_SIZE.matcher(size).matches()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is not a size of huge pages such as 2MB or 1GB".formatted(size));
    }
    files.add(new Write("hugetlb.%s.max".formatted(size), Long.toUnsignedString(bytes)));
    files.add(new Write("hugetlb.%s.rsvd.max".formatted(size), Long.toUnsignedString(bytes)));
  }
}
