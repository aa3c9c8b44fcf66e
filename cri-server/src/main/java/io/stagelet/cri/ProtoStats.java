package io.stagelet.cri;

import io.stagelet.cri.stats.ContainerMetric;
import io.stagelet.cri.stats.GroupUsage;
import io.stagelet.cri.stats.NetworkInterface;
import io.stagelet.cri.stats.Pressure;
import io.stagelet.cri.stats.WritableLayers;
import io.stagelet.cri.v1.ContainerAttributes;
import io.stagelet.cri.v1.ContainerMetrics;
import io.stagelet.cri.v1.ContainerStats;
import io.stagelet.cri.v1.ContainerStatsFilter;
import io.stagelet.cri.v1.CpuUsage;
import io.stagelet.cri.v1.FilesystemIdentifier;
import io.stagelet.cri.v1.FilesystemUsage;
import io.stagelet.cri.v1.IoUsage;
import io.stagelet.cri.v1.LinuxPodSandboxStats;
import io.stagelet.cri.v1.MemoryUsage;
import io.stagelet.cri.v1.Metric;
import io.stagelet.cri.v1.MetricDescriptor;
import io.stagelet.cri.v1.MetricType;
import io.stagelet.cri.v1.NetworkInterfaceUsage;
import io.stagelet.cri.v1.NetworkUsage;
import io.stagelet.cri.v1.PodSandboxAttributes;
import io.stagelet.cri.v1.PodSandboxMetrics;
import io.stagelet.cri.v1.PodSandboxStats;
import io.stagelet.cri.v1.PodSandboxStatsFilter;
import io.stagelet.cri.v1.ProcessUsage;
import io.stagelet.cri.v1.PsiData;
import io.stagelet.cri.v1.PsiStats;
import io.stagelet.cri.v1.SwapUsage;
import io.stagelet.cri.v1.UInt64Value;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Statistics as CRI says them. */
final class ProtoStats {
  private static final long NANOSECONDS = 1_000L;

  private ProtoStats() {}

  /** Whether a filter lets a container through; an empty field of it lets everything. */
  static boolean matches(ContainerStatsFilter filter, ContainerRecord container) {
    return container.plan().id().value().startsWith(filter.getId())
        && container.plan().sandbox().id().value().startsWith(filter.getPodSandboxId())
        && ProtoSandbox.hasAll(container.labels(), filter.getLabelSelectorMap());
  }

  /** Whether a filter lets a sandbox through; an empty field of it lets everything. */
  static boolean matches(PodSandboxStatsFilter filter, SandboxRecord sandbox) {
    return sandbox.plan().id().value().startsWith(filter.getId())
        && ProtoSandbox.hasAll(sandbox.labels(), filter.getLabelSelectorMap());
  }

  /**
   * A container's statistics.
   *
   * @param layers a directory on the filesystem of the writable layers
   */
  static ContainerStats container(Statistics.ContainerUse use, Path layers) {
    ContainerRecord record = use.record();
    GroupUsage usage = use.usage();
    return ContainerStats.newBuilder()
        .setAttributes(
            ContainerAttributes.newBuilder()
                .setId(record.plan().id().value())
                .setMetadata(ProtoContainer.metadata(record))
                .putAllLabels(record.labels())
                .putAllAnnotations(record.annotations()))
        .setCpu(cpu(usage, use.nanoCores()))
        .setMemory(memory(usage))
        .setSwap(
            SwapUsage.newBuilder()
                .setTimestamp(timestamp(usage))
                .setSwapUsageBytes(number(usage.swap().current()))
                .setSwapAvailableBytes(
                    number(Math.max(0, usage.swap().limit().orElse(0) - usage.swap().current()))))
        .setIo(io(usage))
        .setWritableLayer(layer(use.layer(), usage.at(), layers))
        .build();
  }

  /** A sandbox's statistics. */
  static PodSandboxStats sandbox(Statistics.SandboxUse use, Path layers) {
    SandboxRecord record = use.record();
    GroupUsage usage = use.usage();
    LinuxPodSandboxStats.Builder linux =
        LinuxPodSandboxStats.newBuilder()
            .setCpu(cpu(usage, use.nanoCores()))
            .setMemory(memory(usage))
            .setIo(io(usage))
            .setNetwork(network(use.interfaces(), usage.at()))
            .setProcess(
                ProcessUsage.newBuilder()
                    .setTimestamp(timestamp(usage))
                    .setProcessCount(number(use.processes())));
    use.containers().forEach(container -> linux.addContainers(container(container, layers)));
    return PodSandboxStats.newBuilder()
        .setAttributes(
            PodSandboxAttributes.newBuilder()
                .setId(record.plan().id().value())
                .setMetadata(ProtoSandbox.metadata(record.key()))
                .putAllLabels(record.labels())
                .putAllAnnotations(record.annotations()))
        .setLinux(linux)
        .build();
  }

  private static CpuUsage cpu(GroupUsage usage, long nanoCores) {
    return CpuUsage.newBuilder()
        .setTimestamp(timestamp(usage))
        .setUsageCoreNanoSeconds(number(usage.cpu().usageMicroseconds() * NANOSECONDS))
        .setUsageNanoCores(number(nanoCores))
        .setPsi(pressure(usage.cpu().pressure()))
        .build();
  }

  private static MemoryUsage memory(GroupUsage usage) {
    GroupUsage.Memory memory = usage.memory();
    return MemoryUsage.newBuilder()
        .setTimestamp(timestamp(usage))
        .setWorkingSetBytes(number(memory.workingSet()))
        .setAvailableBytes(number(memory.available().orElse(0)))
        .setUsageBytes(number(memory.current()))
        .setRssBytes(number(memory.anonymous()))
        .setPageFaults(number(memory.faults()))
        .setMajorPageFaults(number(memory.majorFaults()))
        .setPsi(pressure(memory.pressure()))
        .build();
  }

  private static IoUsage io(GroupUsage usage) {
    return IoUsage.newBuilder()
        .setTimestamp(timestamp(usage))
        .setPsi(pressure(usage.io().pressure()))
        .build();
  }

  /** Without numbers while the first measurement goes on: none is better than a wrong one. */
  private static FilesystemUsage layer(
      Optional<WritableLayers.Room> room, Instant now, Path layers) {
    FilesystemUsage.Builder layer =
        FilesystemUsage.newBuilder()
            .setTimestamp(ProtoSandbox.nanoseconds(now))
            .setFsId(FilesystemIdentifier.newBuilder().setMountpoint(layers.toString()));
    room.ifPresent(known ->
        layer
            .setTimestamp(ProtoSandbox.nanoseconds(known.at()))
            .setUsedBytes(number(known.bytes()))
            .setInodesUsed(number(known.inodes())));
    return layer.build();
  }

  private static NetworkUsage network(List<NetworkInterface> interfaces, Instant now) {
    NetworkUsage.Builder network =
        NetworkUsage.newBuilder().setTimestamp(ProtoSandbox.nanoseconds(now));
    for (NetworkInterface one : interfaces) {
      NetworkInterfaceUsage usage = network(one);
      if (one.name().equals(Cni.INTERFACE)) {
        network.setDefaultInterface(usage);
      }
      network.addInterfaces(usage);
    }
    return network.build();
  }

  private static NetworkInterfaceUsage network(NetworkInterface one) {
    return NetworkInterfaceUsage.newBuilder()
        .setName(one.name())
        .setRxBytes(number(one.received().bytes()))
        .setRxErrors(number(one.received().errors()))
        .setTxBytes(number(one.sent().bytes()))
        .setTxErrors(number(one.sent().errors()))
        .build();
  }

  private static PsiStats pressure(Pressure pressure) {
    return PsiStats.newBuilder()
        .setSome(stall(pressure.some()))
        .setFull(stall(pressure.full()))
        .build();
  }

  private static PsiData stall(Pressure.Stall stall) {
    return PsiData.newBuilder()
        .setTotal(stall.totalMicroseconds())
        .setAvg10(stall.average10())
        .setAvg60(stall.average60())
        .setAvg300(stall.average300())
        .build();
  }

  /** What ListMetricDescriptors says of a metric. */
  static MetricDescriptor descriptor(ContainerMetric metric) {
    return MetricDescriptor.newBuilder()
        .setName(metric.metricName())
        .setHelp(metric.help())
        .addAllLabelKeys(metric.labels())
        .build();
  }

  /** The metrics of a sandbox and its containers. */
  static PodSandboxMetrics metrics(Statistics.SandboxMetrics metrics) {
    PodSandboxMetrics.Builder pod =
        PodSandboxMetrics.newBuilder()
            .setPodSandboxId(metrics.pod().id())
            .addAllMetrics(values(metrics.pod()));
    for (Statistics.Metrics container : metrics.containers()) {
      pod.addContainerMetrics(
          ContainerMetrics.newBuilder()
              .setContainerId(container.id())
              .addAllMetrics(values(container)));
    }
    return pod.build();
  }

  private static List<Metric> values(Statistics.Metrics metrics) {
    long at = ProtoSandbox.nanoseconds(metrics.at());
    return metrics.values().stream()
        .map(value ->
            Metric.newBuilder()
                .setName(value.metric().metricName())
                .setTimestamp(at)
                .setMetricType(
                    switch (value.metric().kind()) {
                      case COUNTER -> MetricType.COUNTER;
                      case GAUGE -> MetricType.GAUGE;
                    })
                .addAllLabelValues(metrics.labels())
                .addAllLabelValues(value.labelValues())
                .setValue(number(value.value()))
                .build())
        .toList();
  }

  private static long timestamp(GroupUsage usage) {
    return ProtoSandbox.nanoseconds(usage.at());
  }

  private static UInt64Value number(long value) {
    return UInt64Value.newBuilder().setValue(value).build();
  }
}
