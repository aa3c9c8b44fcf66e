package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.ContainerStatsFilter;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.StreamContainerStatsRequest;
import io.stagelet.cri.v1.StreamContainersRequest;
import io.stagelet.cri.v1.StreamPodSandboxMetricsRequest;
import io.stagelet.cri.v1.StreamPodSandboxStatsRequest;
import io.stagelet.cri.v1.StreamPodSandboxesRequest;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** The lists that come in pieces have what the others have. */
@AlsoOnNspawn
class StreamsIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);

  StreamsIT(NodeUnderTest node) {
    super(node);
  }

  private static <R, T> List<T> all(Iterator<R> pieces, Function<R, List<T>> items) {
    return ImmutableList.copyOf(pieces).stream()
        .flatMap(piece -> items.apply(piece).stream())
        .toList();
  }

  private List<PodSandbox> sandboxes(PodSandboxFilter filter) {
    return all(
        cri()
            .runtime(CALL)
            .streamPodSandboxes(StreamPodSandboxesRequest.newBuilder().setFilter(filter).build()),
        piece -> piece.getPodSandboxesList());
  }

  private List<Container> containers(ContainerFilter filter) {
    return all(
        cri()
            .runtime(CALL)
            .streamContainers(StreamContainersRequest.newBuilder().setFilter(filter).build()),
        piece -> piece.getContainersList());
  }

  @Test
  void sandboxesAreThoseOfTheList() {
    stageletOnly("lists in pieces");
    TestPod pod = pods().run();
    PodSandboxFilter filter = PodSandboxFilter.newBuilder().setId(pod.id()).build();

    assertThat(sandboxes(filter)).isEqualTo(cri().listPodSandboxes(filter));
    assertThat(sandboxes(PodSandboxFilter.getDefaultInstance()))
        .extracting(PodSandbox::getId)
        .contains(pod.id());
    assertThat(sandboxes(PodSandboxFilter.newBuilder().setId("f".repeat(64)).build())).isEmpty();
  }

  @Test
  void containersAreThoseOfTheList() {
    stageletOnly("lists in pieces");
    TestPod pod = pods().run();
    pod.container().idle().create();
    ContainerFilter filter = ContainerFilter.newBuilder().setPodSandboxId(pod.id()).build();

    assertThat(containers(filter)).hasSize(1).isEqualTo(cri().listContainers(filter));
  }

  @Test
  void longListsAreWhole() {
    stageletOnly("lists in pieces");
    TestPod pod = pods().run();
    String annotation = "x".repeat(200_000);
    for (int i = 0; i < 12; i++) {
      pod.container().idle().with(config -> config.putAnnotations("long", annotation)).create();
    }
    StreamContainersRequest request =
        StreamContainersRequest.newBuilder()
            .setFilter(ContainerFilter.newBuilder().setPodSandboxId(pod.id()))
            .build();

    var pieces = ImmutableList.copyOf(cri().runtime(CALL).streamContainers(request));

    assertThat(pieces).hasSizeGreaterThan(1);
    assertThat(pieces)
        .allSatisfy(piece -> assertThat(piece.getSerializedSize()).isLessThan(2 << 20));
    assertThat(pieces.stream().mapToInt(piece -> piece.getContainersCount()).sum()).isEqualTo(12);
  }

  @Test
  void statisticsAndMetricsAreStreamed() {
    stageletOnly("lists in pieces");
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();

    assertThat(
            all(
                cri()
                    .runtime(CALL)
                    .streamContainerStats(
                        StreamContainerStatsRequest.newBuilder()
                            .setFilter(ContainerStatsFilter.newBuilder().setId(container.id()))
                            .build()),
                piece -> piece.getContainerStatsList()))
        .extracting(stats -> stats.getAttributes().getId())
        .containsExactly(container.id());
    assertThat(
            all(
                cri()
                    .runtime(CALL)
                    .streamPodSandboxStats(StreamPodSandboxStatsRequest.getDefaultInstance()),
                piece -> piece.getPodSandboxStatsList()))
        .extracting(stats -> stats.getAttributes().getId())
        .contains(pod.id());
    assertThat(
            all(
                cri()
                    .runtime(CALL)
                    .streamPodSandboxMetrics(StreamPodSandboxMetricsRequest.getDefaultInstance()),
                piece -> piece.getPodSandboxMetricsList()))
        .extracting(metrics -> metrics.getPodSandboxId())
        .contains(pod.id());
  }
}
