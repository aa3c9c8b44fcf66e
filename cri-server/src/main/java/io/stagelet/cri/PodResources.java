package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.stage0.spi.ContainerPlan;

/**
 * What a pod may use as a whole, as kubelet says it.
 *
 * @param containers what its containers need together
 * @param overhead what it needs beside them (a RuntimeClass says that)
 */
record PodResources(ContainerPlan.Resources containers, ContainerPlan.Resources overhead) {
  static final PodResources NONE =
      new PodResources(ContainerPlan.Resources.NONE, ContainerPlan.Resources.NONE);

  private static final long DEFAULT_PERIOD = 100_000;

  /** For who reads a verbose status. */
  String json() {
    try {
      return new ObjectMapper().writeValueAsString(this);
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("numbers and texts cannot be written as JSON", failure);
    }
  }

  /** These, but for what {@code other} says. */
  PodResources changedBy(PodResources other) {
    return new PodResources(
        containers.changedBy(other.containers), overhead.changedBy(other.overhead));
  }

  /** The limits of the pod: the overhead is added where there is a limit to add it to. */
  ContainerPlan.Resources total() {
    long period = containers.cpuPeriod() > 0 ? containers.cpuPeriod() : DEFAULT_PERIOD;
    long overheadPeriod = overhead.cpuPeriod() > 0 ? overhead.cpuPeriod() : DEFAULT_PERIOD;
    return new ContainerPlan.Resources(
        containers.cpuShares() + overhead.cpuShares(),
        sum(containers.cpuQuota(), overhead.cpuQuota() * period / overheadPeriod),
        period,
        sum(containers.memoryLimit(), overhead.memoryLimit()),
        sum(containers.swapLimit(), overhead.memoryLimit()),
        containers.cpus(),
        containers.memoryNodes(),
        0,
        containers.hugepages(),
        containers.unified());
  }

  private static long sum(long limit, long more) {
    return limit > 0 ? limit + Math.max(0, more) : limit;
  }
}
