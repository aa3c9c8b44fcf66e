package io.stagelet.stage1.nspawn;

import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.units.UnitProperty;
import java.util.ArrayList;
import java.util.List;

/** What a container may use, as properties of its service. */
final class Limits {
  private Limits() {}

  static List<UnitProperty> of(ContainerPlan.Resources resources) {
    List<UnitProperty> limits = new ArrayList<>();
    limits.add(UnitProperty.tasksMax(UnitProperty.INFINITY));
    if (resources.cpuShares() > 0) {
      limits.add(UnitProperty.cpuShares(resources.cpuShares()));
    }
    if (resources.cpuQuota() > 0 && resources.cpuPeriod() > 0) {
      limits.add(
          UnitProperty.cpuQuotaPerSecUSec(
              Math.max(1, resources.cpuQuota() * 1_000_000 / resources.cpuPeriod())));
      limits.add(UnitProperty.cpuQuotaPeriodUSec(resources.cpuPeriod()));
    }
    if (resources.memoryLimit() > 0) {
      limits.add(UnitProperty.memoryMax(resources.memoryLimit()));
      if (resources.swapLimit() >= resources.memoryLimit()) {
        limits.add(UnitProperty.memorySwapMax(resources.swapLimit() - resources.memoryLimit()));
      }
    }
    if (!resources.cpus().isEmpty()) {
      limits.add(UnitProperty.allowedCpus(resources.cpus()));
    }
    if (!resources.memoryNodes().isEmpty()) {
      limits.add(UnitProperty.allowedMemoryNodes(resources.memoryNodes()));
    }
    return limits;
  }
}
