package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerStats;
import io.stagelet.cri.v1.ContainerStatsFilter;
import io.stagelet.cri.v1.ContainerStatsRequest;
import io.stagelet.cri.v1.ListContainerStatsRequest;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/** What containers use. */
@AlsoOnNspawn
class ContainerStatsIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  ContainerStatsIT(NodeUnderTest node) {
    super(node);
  }

  private ContainerStats stats(TestContainer container) {
    return cri()
        .runtime(CALL)
        .containerStats(ContainerStatsRequest.newBuilder().setContainerId(container.id()).build())
        .getStats();
  }

  private List<String> listed(ContainerStatsFilter.Builder filter) {
    return cri()
        .runtime(CALL)
        .listContainerStats(ListContainerStatsRequest.newBuilder().setFilter(filter).build())
        .getStatsList()
        .stream()
        .map(stats -> stats.getAttributes().getId())
        .toList();
  }

  @Test
  void aRunningContainersStatisticsHaveEveryPart() {
    TestContainer container = sharedPod().container().idle().label("a", "b").start();

    ContainerStats stats = stats(container);

    assertThat(stats.getAttributes().getId()).isEqualTo(container.id());
    assertThat(stats.getAttributes().getMetadata()).isEqualTo(container.config().getMetadata());
    assertThat(stats.getAttributes().getLabelsMap()).containsEntry("a", "b");
    assertThat(stats.getCpu().getTimestamp()).isPositive();
    assertThat(stats.getCpu().hasUsageCoreNanoSeconds()).isTrue();
    assertThat(stats.getMemory().getTimestamp()).isPositive();
    assertThat(stats.getMemory().hasWorkingSetBytes()).isTrue();
    assertThat(stats.getMemory().hasUsageBytes()).isTrue();
    assertThat(stats.hasSwap()).isTrue();
    assertThat(stats.getWritableLayer().getTimestamp()).isPositive();
    assertThat(stats.getWritableLayer().getFsId().getMountpoint()).isNotEmpty();
  }

  @Test
  void theTimeOfTheProcessorGrowsAsItIsUsed() {
    TestContainer container = sharedPod().container().shell("while :; do :; done").start();

    await()
        .atMost(PATIENCE)
        .untilAsserted(() ->
            assertThat(stats(container).getCpu().getUsageCoreNanoSeconds().getValue())
                .isGreaterThan(200_000_000));
    assertThat(stats(container).getCpu().getUsageNanoCores().getValue()).isPositive();
  }

  @Test
  void whatIsWrittenIsCountedInTheWritableLayer() {
    TestContainer container = sharedPod().idleContainer();

    container.execText("sh", "-c", "head -c 3000000 /dev/urandom > /big; touch /a /b /c; sync");

    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> {
          ContainerStats stats = stats(container);
          assertThat(stats.getWritableLayer().getUsedBytes().getValue())
              .isGreaterThanOrEqualTo(3_000_000);
          assertThat(stats.getWritableLayer().getInodesUsed().getValue()).isGreaterThanOrEqualTo(4);
        });
  }

  @Test
  void whatIsAskedForIsListed() {
    String label = UUID.randomUUID().toString();
    TestPod other = pods().run();
    TestContainer one = other.container().idle().label("stats", label).start();
    TestContainer two = other.container().idle().start();

    assertThat(listed(ContainerStatsFilter.newBuilder())).contains(one.id(), two.id());
    assertThat(listed(ContainerStatsFilter.newBuilder().setId(one.id()))).containsExactly(one.id());
    assertThat(listed(ContainerStatsFilter.newBuilder().setPodSandboxId(other.id())))
        .containsExactlyInAnyOrder(one.id(), two.id());
    assertThat(listed(ContainerStatsFilter.newBuilder().putLabelSelector("stats", label)))
        .containsExactly(one.id());
    assertThat(listed(ContainerStatsFilter.newBuilder().setId("f".repeat(64)))).isEmpty();
  }

  @Test
  void aContainerThatHasEndedUsesNothing() {
    TestContainer container = sharedPod().container().shell("true").runToItsEnd();
    stageletOnly("statistics of a container that has ended");

    ContainerStats stats = stats(container);

    assertThat(stats.getAttributes().getId()).isEqualTo(container.id());
    assertThat(stats.getCpu().getUsageCoreNanoSeconds().getValue()).isZero();
    assertThat(stats.getMemory().getUsageBytes().getValue()).isZero();
  }

  @Test
  void aContainerThatIsNotKnownIsNotFound() {
    Status refusal =
        refusal(() ->
            cri()
                .runtime(CALL)
                .containerStats(
                    ContainerStatsRequest.newBuilder().setContainerId("f".repeat(64)).build()));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }
}
