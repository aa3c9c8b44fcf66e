package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import io.stagelet.cri.v1.ContainerEventResponse;
import io.stagelet.cri.v1.ContainerEventType;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.GetEventsRequest;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.cri.v1.RuntimeServiceGrpc;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

/** What happens is told as it happens. */
@AlsoOnNspawn
class EventsIT extends ConformanceSuite {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  EventsIT(NodeUnderTest node) {
    super(node);
  }

  /** A client that hears of events until it is closed. */
  private final class Listener implements AutoCloseable {
    private final List<ContainerEventResponse> heard = new CopyOnWriteArrayList<>();
    private final Context.CancellableContext call = Context.current().withCancellation();

    Listener() {
      call.run(() ->
          RuntimeServiceGrpc.newStub(cri().channel())
              .getContainerEvents(
                  GetEventsRequest.getDefaultInstance(),
                  new StreamObserver<>() {
                    @Override
                    public void onNext(ContainerEventResponse event) {
                      heard.add(event);
                    }

                    @Override
                    public void onError(Throwable ended) {}

                    @Override
                    public void onCompleted() {}
                  }));
      // the server says nothing before the first event
      await()
          .atMost(PATIENCE)
          .until(() -> {
            pods().run().remove();
            return !heard.isEmpty();
          });
    }

    List<ContainerEventResponse> of(String id) {
      return heard.stream().filter(event -> event.getContainerId().equals(id)).toList();
    }

    List<ContainerEventResponse> awaited(String id, ContainerEventType... types) {
      await()
          .atMost(PATIENCE)
          .untilAsserted(() ->
              assertThat(of(id))
                  .extracting(ContainerEventResponse::getContainerEventType)
                  .containsExactly(types));
      return of(id);
    }

    @Override
    public void close() {
      call.cancel(null);
    }
  }

  @Test
  void aContainersLifeIsToldWithTheStatesOfAll() {
    try (Listener listener = new Listener()) {
      TestPod pod = pods().run();
      TestContainer other = pod.idleContainer();
      TestContainer container = pod.container().shell("exit 7").create();

      container.start();
      container.awaitEnd();
      container.remove();

      List<ContainerEventResponse> events =
          listener.awaited(
              container.id(),
              ContainerEventType.CONTAINER_CREATED_EVENT,
              ContainerEventType.CONTAINER_STARTED_EVENT,
              ContainerEventType.CONTAINER_STOPPED_EVENT,
              ContainerEventType.CONTAINER_DELETED_EVENT);
      assertThat(events)
          .allSatisfy(event -> {
            assertThat(event.getCreatedAt()).isPositive();
            assertThat(event.getPodSandboxStatus()).isEqualTo(pod.status());
            assertThat(event.getContainersStatusesList())
                .extracting(ContainerStatus::getId)
                .contains(other.id());
          });
      ContainerStatus stopped =
          events.get(2).getContainersStatusesList().stream()
              .filter(status -> status.getId().equals(container.id()))
              .findFirst()
              .orElseThrow();
      assertThat(stopped.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
      assertThat(stopped.getExitCode()).isEqualTo(7);
      assertThat(events.getLast().getContainersStatusesList())
          .extracting(ContainerStatus::getId)
          .doesNotContain(container.id());
    }
  }

  @Test
  void aSandboxsOwnEventsCarryItsOwnId() {
    try (Listener listener = new Listener()) {
      TestPod pod = pods().run();
      pod.stop();
      pod.stop();
      pod.remove();
      pod.remove();

      List<ContainerEventResponse> events =
          listener.awaited(
              pod.id(),
              ContainerEventType.CONTAINER_CREATED_EVENT,
              ContainerEventType.CONTAINER_STARTED_EVENT,
              ContainerEventType.CONTAINER_STOPPED_EVENT,
              ContainerEventType.CONTAINER_DELETED_EVENT);
      assertThat(events)
          .allSatisfy(event -> assertThat(event.getPodSandboxStatus().getId()).isEqualTo(pod.id()));
      assertThat(events.get(1).getPodSandboxStatus().getState())
          .isEqualTo(PodSandboxState.SANDBOX_READY);
      assertThat(events.get(2).getPodSandboxStatus().getState())
          .isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    }
  }

  @Test
  void everyListenerHearsTheSame() {
    try (Listener one = new Listener();
        Listener other = new Listener()) {
      TestPod pod = pods().run();

      ContainerEventType[] begin = {
        ContainerEventType.CONTAINER_CREATED_EVENT, ContainerEventType.CONTAINER_STARTED_EVENT
      };
      assertThat(one.awaited(pod.id(), begin)).isEqualTo(other.awaited(pod.id(), begin));
    }
  }
}
