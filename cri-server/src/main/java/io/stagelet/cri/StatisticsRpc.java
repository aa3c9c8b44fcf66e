package io.stagelet.cri;

import com.google.protobuf.MessageLite;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.stagelet.cri.stats.ContainerMetric;
import io.stagelet.cri.v1.ContainerEventResponse;
import io.stagelet.cri.v1.ContainerEventType;
import io.stagelet.cri.v1.ContainerStatsRequest;
import io.stagelet.cri.v1.ContainerStatsResponse;
import io.stagelet.cri.v1.GetEventsRequest;
import io.stagelet.cri.v1.ListContainerStatsRequest;
import io.stagelet.cri.v1.ListContainerStatsResponse;
import io.stagelet.cri.v1.ListMetricDescriptorsRequest;
import io.stagelet.cri.v1.ListMetricDescriptorsResponse;
import io.stagelet.cri.v1.ListPodSandboxMetricsRequest;
import io.stagelet.cri.v1.ListPodSandboxMetricsResponse;
import io.stagelet.cri.v1.ListPodSandboxStatsRequest;
import io.stagelet.cri.v1.ListPodSandboxStatsResponse;
import io.stagelet.cri.v1.PodSandboxStatsRequest;
import io.stagelet.cri.v1.PodSandboxStatsResponse;
import io.stagelet.cri.v1.RuntimeServiceGrpc;
import io.stagelet.cri.v1.StreamContainerStatsRequest;
import io.stagelet.cri.v1.StreamContainerStatsResponse;
import io.stagelet.cri.v1.StreamContainersRequest;
import io.stagelet.cri.v1.StreamContainersResponse;
import io.stagelet.cri.v1.StreamPodSandboxMetricsRequest;
import io.stagelet.cri.v1.StreamPodSandboxMetricsResponse;
import io.stagelet.cri.v1.StreamPodSandboxStatsRequest;
import io.stagelet.cri.v1.StreamPodSandboxStatsResponse;
import io.stagelet.cri.v1.StreamPodSandboxesRequest;
import io.stagelet.cri.v1.StreamPodSandboxesResponse;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The calls of CRI's RuntimeService by which kubelet watches: statistics, metrics, events, and the
 * lists that come in pieces.
 */
abstract class StatisticsRpc extends RuntimeServiceGrpc.RuntimeServiceImplBase {
  private final Pods pods;
  private final Statistics statistics;
  private final LifeEvents events;

  StatisticsRpc(Pods pods, Statistics statistics, LifeEvents events) {
    this.pods = pods;
    this.statistics = statistics;
    this.events = events;
  }

  @Override
  public final void containerStats(
      ContainerStatsRequest request, StreamObserver<ContainerStatsResponse> observer) {
    GrpcErrors.answer(
        "ContainerStats",
        observer,
        () ->
            ContainerStatsResponse.newBuilder()
                .setStats(container(statistics.container(pods.container(request.getContainerId()))))
                .build());
  }

  @Override
  public final void listContainerStats(
      ListContainerStatsRequest request, StreamObserver<ListContainerStatsResponse> observer) {
    GrpcErrors.answer(
        "ListContainerStats",
        observer,
        () ->
            ListContainerStatsResponse.newBuilder()
                .addAllStats(
                    statistics
                        .containers(container -> ProtoStats.matches(request.getFilter(), container))
                        .stream()
                        .map(this::container)
                        .toList())
                .build());
  }

  @Override
  public final void podSandboxStats(
      PodSandboxStatsRequest request, StreamObserver<PodSandboxStatsResponse> observer) {
    GrpcErrors.answer(
        "PodSandboxStats",
        observer,
        () ->
            PodSandboxStatsResponse.newBuilder()
                .setStats(sandbox(statistics.sandbox(pods.sandbox(request.getPodSandboxId()))))
                .build());
  }

  @Override
  public final void listPodSandboxStats(
      ListPodSandboxStatsRequest request, StreamObserver<ListPodSandboxStatsResponse> observer) {
    GrpcErrors.answer(
        "ListPodSandboxStats",
        observer,
        () ->
            ListPodSandboxStatsResponse.newBuilder()
                .addAllStats(
                    statistics
                        .sandboxes(sandbox -> ProtoStats.matches(request.getFilter(), sandbox))
                        .stream()
                        .map(this::sandbox)
                        .toList())
                .build());
  }

  @Override
  public final void listMetricDescriptors(
      ListMetricDescriptorsRequest request,
      StreamObserver<ListMetricDescriptorsResponse> observer) {
    GrpcErrors.answer(
        "ListMetricDescriptors",
        observer,
        () ->
            ListMetricDescriptorsResponse.newBuilder()
                .addAllDescriptors(
                    Arrays.stream(ContainerMetric.values()).map(ProtoStats::descriptor).toList())
                .build());
  }

  @Override
  public final void listPodSandboxMetrics(
      ListPodSandboxMetricsRequest request,
      StreamObserver<ListPodSandboxMetricsResponse> observer) {
    GrpcErrors.answer(
        "ListPodSandboxMetrics",
        observer,
        () ->
            ListPodSandboxMetricsResponse.newBuilder()
                .addAllPodMetrics(statistics.metrics().stream().map(ProtoStats::metrics).toList())
                .build());
  }

  @Override
  public final void streamPodSandboxes(
      StreamPodSandboxesRequest request, StreamObserver<StreamPodSandboxesResponse> observer) {
    stream(
        "StreamPodSandboxes",
        observer,
        () ->
            pods.sandboxes().stream()
                .map(Sandbox::record)
                .filter(sandbox -> ProtoSandbox.matches(request.getFilter(), sandbox))
                .toList(),
        ProtoSandbox::listed,
        some -> StreamPodSandboxesResponse.newBuilder().addAllPodSandboxes(some).build());
  }

  @Override
  public final void streamContainers(
      StreamContainersRequest request, StreamObserver<StreamContainersResponse> observer) {
    stream(
        "StreamContainers",
        observer,
        () ->
            pods.containers().stream()
                .map(Container::record)
                .filter(container -> ProtoContainer.matches(request.getFilter(), container))
                .toList(),
        ProtoContainer::listed,
        some -> StreamContainersResponse.newBuilder().addAllContainers(some).build());
  }

  @Override
  public final void streamContainerStats(
      StreamContainerStatsRequest request, StreamObserver<StreamContainerStatsResponse> observer) {
    stream(
        "StreamContainerStats",
        observer,
        () ->
            statistics.containers(container -> ProtoStats.matches(request.getFilter(), container)),
        this::container,
        some -> StreamContainerStatsResponse.newBuilder().addAllContainerStats(some).build());
  }

  @Override
  public final void streamPodSandboxStats(
      StreamPodSandboxStatsRequest request,
      StreamObserver<StreamPodSandboxStatsResponse> observer) {
    stream(
        "StreamPodSandboxStats",
        observer,
        () -> statistics.sandboxes(sandbox -> ProtoStats.matches(request.getFilter(), sandbox)),
        this::sandbox,
        some -> StreamPodSandboxStatsResponse.newBuilder().addAllPodSandboxStats(some).build());
  }

  @Override
  public final void streamPodSandboxMetrics(
      StreamPodSandboxMetricsRequest request,
      StreamObserver<StreamPodSandboxMetricsResponse> observer) {
    stream(
        "StreamPodSandboxMetrics",
        observer,
        statistics::metrics,
        ProtoStats::metrics,
        some -> StreamPodSandboxMetricsResponse.newBuilder().addAllPodSandboxMetrics(some).build());
  }

  private static <D, T extends MessageLite, R> void stream(
      String call,
      StreamObserver<R> observer,
      Supplier<List<D>> items,
      Function<D, T> message,
      Function<List<T>, R> piece) {
    GrpcErrors.answer(
        call, observer, () -> ProtoPieces.sent(items.get(), message, piece, observer::onNext));
  }

  private io.stagelet.cri.v1.ContainerStats container(Statistics.ContainerUse use) {
    return ProtoStats.container(use, statistics.layersDirectory());
  }

  private io.stagelet.cri.v1.PodSandboxStats sandbox(Statistics.SandboxUse use) {
    return ProtoStats.sandbox(use, statistics.layersDirectory());
  }

  /** Until the client goes away, or the server. */
  @Override
  public final void getContainerEvents(
      GetEventsRequest request, StreamObserver<ContainerEventResponse> observer) {
    ServerCallStreamObserver<ContainerEventResponse> client =
        (ServerCallStreamObserver<ContainerEventResponse>) observer;
    EventStream<LifeEvents.Event> stream = new EventStream<>(events.subscribe(), client::isReady);
    client.setOnReadyHandler(stream::wake);
    client.setOnCancelHandler(stream::clientGone);
    stream.start(
        new EventStream.Client<>() {
          @Override
          public void send(LifeEvents.Event event) {
            client.onNext(event(event));
          }

          @Override
          public void end() {
            client.onCompleted();
          }

          @Override
          public void tooSlow() {
            client.onError(
                GrpcErrors.status(
                    "GetContainerEvents",
                    new StageletException(
                        ErrorCode.RESOURCE_EXHAUSTED,
                        "the client takes events too slowly and has missed some; list the containers and ask for events again")));
          }
        });
  }

  private static ContainerEventResponse event(LifeEvents.Event event) {
    return ContainerEventResponse.newBuilder()
        .setContainerId(event.id())
        .setContainerEventType(
            switch (event.kind()) {
              case CREATED -> ContainerEventType.CONTAINER_CREATED_EVENT;
              case STARTED -> ContainerEventType.CONTAINER_STARTED_EVENT;
              case STOPPED -> ContainerEventType.CONTAINER_STOPPED_EVENT;
              case DELETED -> ContainerEventType.CONTAINER_DELETED_EVENT;
            })
        .setCreatedAt(ProtoSandbox.nanoseconds(event.at()))
        .setPodSandboxStatus(ProtoSandbox.status(event.sandbox()))
        .addAllContainersStatuses(event.containers().stream().map(ProtoContainer::status).toList())
        .build();
  }
}
