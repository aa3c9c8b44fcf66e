package io.stagelet.cri;

import io.stagelet.cri.stats.ContainerMetric;
import io.stagelet.cri.stats.CpuRates;
import io.stagelet.cri.stats.GroupUsage;
import io.stagelet.cri.stats.KernelFiles;
import io.stagelet.cri.stats.MetricValues;
import io.stagelet.cri.stats.NetworkInterface;
import io.stagelet.cri.stats.ProcessUsage;
import io.stagelet.cri.stats.WritableLayers;
import io.stagelet.linux.FilesystemSpace;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.units.UnitName;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * What the pods and containers that there are use. Everything is read from the kernel's files, when
 * it is asked for: no process is started and systemd is not asked, however many there are.
 */
final class Statistics implements AutoCloseable {
  /**
   * How long one question waits, in all, for writable layers that were never measured. Nearly all
   * are small; what is not measured by then is told the next time.
   */
  private static final Duration PATIENCE = Duration.ofMillis(500);

  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final Path PROC = Path.of("/proc");

  private final Pods pods;
  private final Records records;
  private final WritableLayers layers;
  private final Clock clock;
  private final CpuRates rates = new CpuRates();
  private final MetricValues.HugePagePeaks hugePagePeaks = new MetricValues.HugePagePeaks();

  Statistics(Pods pods, Records records, Clock clock) {
    this.pods = pods;
    this.records = records;
    this.layers = new WritableLayers(clock);
    this.clock = clock;
  }

  /**
   * What a container uses.
   *
   * @param layer absent when it was not measured yet
   */
  record ContainerUse(
      ContainerRecord record,
      GroupUsage usage,
      long nanoCores,
      Optional<WritableLayers.Room> layer) {}

  /**
   * What a pod uses.
   *
   * @param interfaces its network interfaces; none when it shares the node's
   */
  record SandboxUse(
      SandboxRecord record,
      GroupUsage usage,
      long nanoCores,
      long processes,
      List<NetworkInterface> interfaces,
      List<ContainerUse> containers) {}

  /**
   * Metrics of one pod or container.
   *
   * @param labels the values of {@link ContainerMetric#COMMON_LABELS}
   */
  record Metrics(String id, Instant at, List<String> labels, List<ContainerMetric.Value> values) {}

  /** Metrics of a pod and its containers. */
  record SandboxMetrics(Metrics pod, List<Metrics> containers) {}

  /** Of all containers that {@code wanted} lets through, running or not. */
  List<ContainerUse> containers(Predicate<ContainerRecord> wanted) {
    Round round = new Round(List.of());
    return pods.containers().stream()
        .filter(container -> wanted.test(container.record()))
        .map(round::use)
        .toList();
  }

  /** Of one container. */
  ContainerUse container(Container container) {
    return new Round(List.of()).use(container);
  }

  /** Of all sandboxes that are up and that {@code wanted} lets through. */
  List<SandboxUse> sandboxes(Predicate<SandboxRecord> wanted) {
    List<Sandbox> up =
        pods.sandboxes().stream()
            .filter(sandbox -> isUp(sandbox) && wanted.test(sandbox.record()))
            .toList();
    Round round = new Round(up);
    return up.stream().map(round::use).toList();
  }

  /** Of one sandbox, whether it is up or not. */
  SandboxUse sandbox(Sandbox sandbox) {
    return new Round(List.of(sandbox)).use(sandbox);
  }

  /** The metrics of all sandboxes that are up. */
  List<SandboxMetrics> metrics() {
    hugePagePeaks.forgetGone();
    List<Sandbox> up = pods.sandboxes().stream().filter(Statistics::isUp).toList();
    Round round = new Round(up);
    return up.stream().map(round::metrics).toList();
  }

  private static boolean isUp(Sandbox sandbox) {
    return sandbox.record().phase() == SandboxRecord.Phase.READY;
  }

  @Override
  public void close() {
    layers.close();
  }

  /** The answer to one question: all of it is read by one thread, with one buffer. */
  private final class Round {
    private final KernelFiles files = new KernelFiles();
    private final long begin = System.nanoTime();
    private final Map<String, Long> podsInSlice =
        pods.sandboxes().stream()
            .collect(
                Collectors.groupingBy(sandbox -> sandbox.plan().slice(), Collectors.counting()));
    private final Map<Sandbox, List<Container>> containersOf =
        pods.containers().stream().collect(Collectors.groupingBy(Container::sandbox));
    private final Map<Path, List<NetworkInterface>> interfaces;
    private Optional<Disk> disk = Optional.empty();

    private record Disk(FilesystemSpace space, String device) {}

    /**
     * Begins an answer.
     *
     * @param up the sandboxes whose network is asked for
     */
    Round(List<Sandbox> up) {
      this.interfaces =
          NetworkInterface.inside(
              up.stream()
                  .filter(Statistics::isUp)
                  .flatMap(sandbox -> sandbox.plan().networkNamespace().stream())
                  .toList(),
              files);
      Set<String> containers =
          pods.containers().stream()
              .map(container -> container.id().value())
              .collect(Collectors.toSet());
      layers.keepOnly(containers);
      pods.sandboxes().forEach(sandbox -> containers.add(sandbox.id().value()));
      rates.keepOnly(containers);
    }

    ContainerUse use(Container container) {
      ContainerRecord record = container.record();
      GroupUsage usage = usage(container, record, GroupUsage.Detail.STATS);
      return new ContainerUse(record, usage, rate(container, record, usage), layer(record));
    }

    SandboxUse use(Sandbox sandbox) {
      List<ContainerUse> containers = containersOf(sandbox).stream().map(this::use).toList();
      Optional<Path> own = ownGroup(sandbox);
      GroupUsage usage =
          own.map(group -> GroupUsage.read(files, group, GroupUsage.Detail.STATS, clock.instant()))
              .orElseGet(() -> sum(containers.stream().map(ContainerUse::usage).toList()));
      return new SandboxUse(
          sandbox.record(),
          usage,
          rates.nanoCores(
              sandbox.id().value(),
              usage.cpu().usageMicroseconds(),
              usage.at(),
              sandbox.record().createdAt()),
          processes(sandbox, own, usage),
          interfaces(sandbox),
          containers);
    }

    SandboxMetrics metrics(Sandbox sandbox) {
      List<Metrics> containers = new ArrayList<>();
      List<GroupUsage> usages = new ArrayList<>();
      for (Container container : containersOf(sandbox)) {
        ContainerRecord record = container.record();
        if (record.life() instanceof ContainerRecord.Running running) {
          GroupUsage usage = usage(container, record, GroupUsage.Detail.METRICS);
          usages.add(usage);
          containers.add(metrics(container, record, running, usage));
        }
      }
      return new SandboxMetrics(metricsOfPod(sandbox, usages), containers);
    }

    private Metrics metrics(
        Container container,
        ContainerRecord record,
        ContainerRecord.Running running,
        GroupUsage usage) {
      Path group = container.stage1().cgroup(record.plan());
      ContainerPlan.Resources resources = record.plan().resources();
      Disk where = disk();
      MetricValues values =
          new MetricValues()
              .usage(usage, GroupUsage.memoryPeak(files, group))
              .disk(layer(record), where.space(), where.device())
              .processes(ProcessUsage.read(files, group, PROC), usage.tasks())
              .hugePages(MetricValues.HugePages.read(files, group, hugePagePeaks))
              .allowed(
                  new MetricValues.Allowed(
                      resources.cpuShares(),
                      resources.cpuPeriod(),
                      resources.cpuQuota(),
                      resources.memoryLimit(),
                      resources.swapLimit() - resources.memoryLimit()),
                  running.startedAt(),
                  usage.at());
      SandboxRecord.PodKey pod = container.sandbox().record().key();
      return new Metrics(
          record.plan().id().value(),
          usage.at(),
          List.of(
              "/" + CGROUPS.relativize(group),
              record.plan().id().value(),
              record.image(),
              pod.namespace(),
              pod.name(),
              record.plan().name()),
          values.values());
    }

    private Metrics metricsOfPod(Sandbox sandbox, List<GroupUsage> containers) {
      Optional<Path> own = ownGroup(sandbox);
      GroupUsage usage =
          own.map(group ->
                  GroupUsage.read(files, group, GroupUsage.Detail.METRICS, clock.instant()))
              .orElseGet(() -> sum(containers));
      MetricValues values =
          new MetricValues()
              .usage(usage, own.map(group -> GroupUsage.memoryPeak(files, group)).orElse(0L))
              .network(interfaces(sandbox));
      SandboxRecord.PodKey pod = sandbox.record().key();
      return new Metrics(
          sandbox.id().value(),
          usage.at(),
          List.of(
              own.map(group -> "/" + CGROUPS.relativize(group)).orElse(""),
              sandbox.id().value(),
              "",
              pod.namespace(),
              pod.name(),
              ""),
          values.values());
    }

    private GroupUsage usage(
        Container container, ContainerRecord record, GroupUsage.Detail detail) {
      return record.life() instanceof ContainerRecord.Running
          ? GroupUsage.read(
              files, container.stage1().cgroup(record.plan()), detail, clock.instant())
          : GroupUsage.none(clock.instant());
    }

    private long rate(Container container, ContainerRecord record, GroupUsage usage) {
      return record.life() instanceof ContainerRecord.Running running
          ? rates.nanoCores(
              container.id().value(),
              usage.cpu().usageMicroseconds(),
              usage.at(),
              running.startedAt())
          : 0;
    }

    private Optional<WritableLayers.Room> layer(ContainerRecord record) {
      return layers.room(
          record.plan().id().value(),
          records.directory(record.plan().id()).resolve("upper"),
          PATIENCE.minusNanos(System.nanoTime() - begin));
    }

    /**
     * kubelet makes a slice for each pod; a pod made by hand may share one, which tells nothing.
     */
    private Optional<Path> ownGroup(Sandbox sandbox) {
      String slice = sandbox.plan().slice();
      return podsInSlice.getOrDefault(slice, 0L) == 1
          ? Optional.of(CGROUPS.resolve(UnitName.of(slice).sliceGroup()))
          : Optional.empty();
    }

    private GroupUsage sum(List<GroupUsage> containers) {
      return containers.stream().reduce(GroupUsage.none(clock.instant()), GroupUsage::plus);
    }

    private long processes(Sandbox sandbox, Optional<Path> own, GroupUsage usage) {
      if (usage.tasks().current().isPresent()) {
        return usage.tasks().current().getAsLong();
      }
      if (own.isPresent()) {
        return ProcessUsage.count(files, own.get());
      }
      return containersOf(sandbox).stream()
          .filter(container -> container.record().life() instanceof ContainerRecord.Running)
          .mapToLong(
              container -> ProcessUsage.count(files, container.stage1().cgroup(container.plan())))
          .sum();
    }

    private List<NetworkInterface> interfaces(Sandbox sandbox) {
      return sandbox
          .plan()
          .networkNamespace()
          .map(pin -> interfaces.getOrDefault(pin, List.of()))
          .orElse(List.of());
    }

    private List<Container> containersOf(Sandbox sandbox) {
      return containersOf.getOrDefault(sandbox, List.of());
    }

    private Disk disk() {
      Disk known =
          disk.orElseGet(() ->
              new Disk(FilesystemSpace.of(records.containers()), device(records.containers())));
      disk = Optional.of(known);
      return known;
    }

    private static String device(Path path) {
      try {
        return Files.getFileStore(path).name();
      } catch (IOException unknown) {
        return "";
      }
    }
  }

  /** The directory on whose filesystem writable layers are. */
  Path layersDirectory() {
    return records.containers();
  }
}
