package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerMetrics;
import io.stagelet.cri.v1.ListMetricDescriptorsRequest;
import io.stagelet.cri.v1.ListPodSandboxMetricsRequest;
import io.stagelet.cri.v1.ListPodSandboxStatsRequest;
import io.stagelet.cri.v1.Metric;
import io.stagelet.cri.v1.MetricDescriptor;
import io.stagelet.cri.v1.NetworkInterfaceUsage;
import io.stagelet.cri.v1.PodSandboxMetrics;
import io.stagelet.cri.v1.PodSandboxStats;
import io.stagelet.cri.v1.PodSandboxStatsFilter;
import io.stagelet.cri.v1.PodSandboxStatsRequest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What pods use, as statistics and as metrics. */
@AlsoOnNspawn
class PodStatsIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);

  PodStatsIT(NodeUnderTest node) {
    super(node);
  }

  private PodSandboxStats stats(TestPod pod) {
    return cri()
        .runtime(CALL)
        .podSandboxStats(PodSandboxStatsRequest.newBuilder().setPodSandboxId(pod.id()).build())
        .getStats();
  }

  private List<String> listed(PodSandboxStatsFilter.Builder filter) {
    return cri()
        .runtime(CALL)
        .listPodSandboxStats(ListPodSandboxStatsRequest.newBuilder().setFilter(filter).build())
        .getStatsList()
        .stream()
        .map(stats -> stats.getAttributes().getId())
        .toList();
  }

  private PodSandboxMetrics metrics(TestPod pod) {
    return cri()
        .runtime(CALL)
        .listPodSandboxMetrics(ListPodSandboxMetricsRequest.getDefaultInstance())
        .getPodMetricsList()
        .stream()
        .filter(metrics -> metrics.getPodSandboxId().equals(pod.id()))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aPodsStatisticsHaveEveryPartAndThoseOfItsContainers() {
    TestPod pod = pods().run();
    TestContainer one = pod.idleContainer();
    TestContainer other = pod.idleContainer();

    // each container's shell starts its second process when it comes to it
    await()
        .untilAsserted(() ->
            assertThat(stats(pod).getLinux().getProcess().getProcessCount().getValue())
                .isGreaterThanOrEqualTo(4));
    PodSandboxStats stats = stats(pod);

    assertThat(stats.getAttributes().getId()).isEqualTo(pod.id());
    assertThat(stats.getAttributes().getMetadata()).isEqualTo(pod.config().getMetadata());
    assertThat(stats.getLinux().getCpu().getTimestamp()).isPositive();
    assertThat(stats.getLinux().getCpu().hasUsageCoreNanoSeconds()).isTrue();
    assertThat(stats.getLinux().getMemory().getTimestamp()).isPositive();
    assertThat(stats.getLinux().getContainersList())
        .extracting(container -> container.getAttributes().getId())
        .containsExactlyInAnyOrder(one.id(), other.id());
  }

  @Test
  void thePodsOwnNetworkIsCounted() {
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();
    // nobody need answer
    container.exec("wget", "-q", "-T", "1", "-O", "-", "http://10.88.0.1:9");

    NetworkInterfaceUsage network = stats(pod).getLinux().getNetwork().getDefaultInterface();

    assertThat(network.getName()).isEqualTo("eth0");
    assertThat(network.getTxBytes().getValue()).isPositive();
    assertThat(stats(pod).getLinux().getNetwork().getInterfacesList())
        .extracting(NetworkInterfaceUsage::getName)
        .doesNotContain("lo");
  }

  @Test
  void aPodOnTheNodesNetworkHasNoneOfItsOwn() {
    TestPod pod = pods().run(Pods.onTheNodesNetwork());
    stageletOnly("no network statistics for a pod on the node's network");

    assertThat(stats(pod).getLinux().getNetwork().getInterfacesList()).isEmpty();
  }

  @Test
  void whatIsAskedForIsListed() {
    String label = UUID.randomUUID().toString();
    TestPod one = pods().run(Pods.withLabels(Map.of("stats", label)));
    TestPod other = pods().run();

    assertThat(listed(PodSandboxStatsFilter.newBuilder())).contains(one.id(), other.id());
    assertThat(listed(PodSandboxStatsFilter.newBuilder().setId(one.id())))
        .containsExactly(one.id());
    assertThat(listed(PodSandboxStatsFilter.newBuilder().putLabelSelector("stats", label)))
        .containsExactly(one.id());
  }

  @Test
  void aPodThatIsNotKnownIsNotFound() {
    Status refusal =
        refusal(() ->
            cri()
                .runtime(CALL)
                .podSandboxStats(
                    PodSandboxStatsRequest.newBuilder().setPodSandboxId("f".repeat(64)).build()));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void everyMetricIsDescribedAndHasTheLabelsThatItsDescriptionNames() {
    stageletOnly("the metrics of cAdvisor");
    Map<String, Integer> labelsOf =
        cri()
            .runtime(CALL)
            .listMetricDescriptors(ListMetricDescriptorsRequest.getDefaultInstance())
            .getDescriptorsList()
            .stream()
            .collect(
                Collectors.toMap(MetricDescriptor::getName, MetricDescriptor::getLabelKeysCount));
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();

    PodSandboxMetrics metrics = metrics(pod);

    List<Metric> all =
        Stream.concat(
                metrics.getMetricsList().stream(),
                metrics.getContainerMetricsList().stream()
                    .flatMap(one -> one.getMetricsList().stream()))
            .toList();
    assertThat(all).isNotEmpty();
    assertThat(all)
        .allSatisfy(metric -> {
          assertThat(labelsOf).containsEntry(metric.getName(), metric.getLabelValuesCount());
          assertThat(metric.getTimestamp()).isPositive();
          assertThat(metric.hasValue()).isTrue();
        });
    assertThat(metrics.getContainerMetricsList())
        .extracting(ContainerMetrics::getContainerId)
        .containsExactly(container.id());
    assertThat(all)
        .extracting(Metric::getName)
        .contains(
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "container_network_receive_bytes_total",
            "container_fs_usage_bytes",
            "container_processes",
            "container_pressure_cpu_waiting_seconds_total",
            "container_oom_events_total",
            "container_spec_memory_limit_bytes",
            "container_start_time_seconds");
  }
}
