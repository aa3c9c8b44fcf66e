package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStateValue;
import io.stagelet.cri.v1.ContainerStatus;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Containers are listed, all or by what they are. */
class ContainerListIT extends ConformanceSuite {
  ContainerListIT(NodeUnderTest node) {
    super(node);
  }

  private List<String> ids(ContainerFilter.Builder filter) {
    return cri().listContainers(filter.build()).stream().map(Container::getId).toList();
  }

  private static ContainerFilter.Builder filter() {
    return ContainerFilter.newBuilder();
  }

  private static ContainerStateValue state(ContainerState state) {
    return ContainerStateValue.newBuilder().setState(state).build();
  }

  @Test
  void theListTellsOfAContainerWhatItsStatusTells() {
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .label("a", "b")
            .with(config -> config.putAnnotations("example.com/c", "d"))
            .start();

    Container listed = cri().listContainers(filter().setId(container.id()).build()).getFirst();

    ContainerStatus status = container.status();
    assertThat(listed.getPodSandboxId()).isEqualTo(sharedPod().id());
    assertThat(listed.getMetadata()).isEqualTo(status.getMetadata());
    assertThat(listed.getState()).isEqualTo(status.getState());
    assertThat(listed.getCreatedAt()).isEqualTo(status.getCreatedAt());
    assertThat(listed.getLabelsMap()).isEqualTo(status.getLabelsMap());
    assertThat(listed.getAnnotationsMap()).isEqualTo(status.getAnnotationsMap());
    assertThat(listed.getImage().getImage()).isNotEmpty();
    assertThat(listed.getImageRef()).isNotEmpty();
    stageletOnly("image_id came with Kubernetes 1.29");
    assertThat(listed.getImageId()).isEqualTo(status.getImageId());
  }

  @Test
  void theListWithoutAFilterHasAllOfAllPods() {
    TestContainer one = sharedPod().idleContainer();
    TestContainer other = pods().run().idleContainer();

    assertThat(ids(filter())).contains(one.id(), other.id());
  }

  @Test
  void theListCanBeAskedForOneId() {
    TestContainer one = sharedPod().idleContainer();
    sharedPod().idleContainer();

    assertThat(ids(filter().setId(one.id()))).containsExactly(one.id());
    assertThat(ids(filter().setId("0".repeat(64)))).isEmpty();
  }

  @Test
  void theListCanBeAskedForThoseOfOnePod() {
    TestPod pod = pods().run();
    TestContainer one = pod.idleContainer();
    TestContainer two = pod.container().idle().create();
    sharedPod().idleContainer();

    assertThat(ids(filter().setPodSandboxId(pod.id())))
        .containsExactlyInAnyOrder(one.id(), two.id());
    assertThat(ids(filter().setPodSandboxId("0".repeat(64)))).isEmpty();
  }

  @Test
  void theListCanBeAskedForAState() {
    TestPod pod = pods().run();
    TestContainer created = pod.container().idle().create();
    TestContainer running = pod.idleContainer();
    TestContainer exited = pod.container().shell("true").runToItsEnd();

    assertThat(
            ids(
                filter()
                    .setPodSandboxId(pod.id())
                    .setState(state(ContainerState.CONTAINER_CREATED))))
        .containsExactly(created.id());
    assertThat(
            ids(
                filter()
                    .setPodSandboxId(pod.id())
                    .setState(state(ContainerState.CONTAINER_RUNNING))))
        .containsExactly(running.id());
    assertThat(
            ids(
                filter()
                    .setPodSandboxId(pod.id())
                    .setState(state(ContainerState.CONTAINER_EXITED))))
        .containsExactly(exited.id());
  }

  @Test
  void theListCanBeAskedForLabelsAllOfWhichMustMatch() {
    TestPod pod = pods().run();
    TestContainer front =
        pod.container().idle().label("app", "web").label("tier", "front").create();
    TestContainer back = pod.container().idle().label("app", "web").label("tier", "back").create();

    assertThat(ids(filter().setPodSandboxId(pod.id()).putLabelSelector("app", "web")))
        .containsExactlyInAnyOrder(front.id(), back.id());
    assertThat(
            ids(
                filter()
                    .putLabelSelector("app", "web")
                    .putLabelSelector("tier", "front")
                    .setPodSandboxId(pod.id())))
        .containsExactly(front.id());
    assertThat(ids(filter().setPodSandboxId(pod.id()).putLabelSelector("app", "none"))).isEmpty();
  }

  @Test
  void aRemovedContainerIsNotListed() {
    TestContainer container = sharedPod().container().shell("true").runToItsEnd();

    container.remove();

    assertThat(ids(filter())).doesNotContain(container.id());
  }
}
