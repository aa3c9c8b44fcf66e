package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.cri.v1.PodSandboxStateValue;
import io.stagelet.cri.v1.PodSandboxStatus;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Sandboxes are listed, all or by what they are. */
class SandboxListIT extends ConformanceSuite {
  SandboxListIT(NodeUnderTest node) {
    super(node);
  }

  private List<String> ids(PodSandboxFilter.Builder filter) {
    return cri().listPodSandboxes(filter.build()).stream().map(PodSandbox::getId).toList();
  }

  private static PodSandboxFilter.Builder filter() {
    return PodSandboxFilter.newBuilder();
  }

  private static PodSandboxStateValue state(PodSandboxState state) {
    return PodSandboxStateValue.newBuilder().setState(state).build();
  }

  @Test
  void theListTellsOfASandboxWhatItsStatusTells() {
    TestPod pod =
        pods().run(config -> config.putLabels("a", "b").putAnnotations("example.com/c", "d"));

    PodSandbox listed = cri().listPodSandboxes(filter().setId(pod.id()).build()).getFirst();

    PodSandboxStatus status = pod.status();
    assertThat(listed.getId()).isEqualTo(status.getId());
    assertThat(listed.getMetadata()).isEqualTo(status.getMetadata());
    assertThat(listed.getState()).isEqualTo(status.getState());
    assertThat(listed.getCreatedAt()).isEqualTo(status.getCreatedAt());
    assertThat(listed.getLabelsMap()).isEqualTo(status.getLabelsMap());
    assertThat(listed.getAnnotationsMap()).isEqualTo(status.getAnnotationsMap());
    assertThat(listed.getRuntimeHandler()).isEqualTo(status.getRuntimeHandler());
  }

  @Test
  void theListWithoutAFilterHasAll() {
    TestPod one = pods().run();
    TestPod other = pods().run();

    assertThat(ids(filter())).contains(one.id(), other.id());
  }

  @Test
  void theListCanBeAskedForOneId() {
    TestPod one = pods().run();
    pods().run();

    assertThat(ids(filter().setId(one.id()))).containsExactly(one.id());
    assertThat(ids(filter().setId("0".repeat(64)))).isEmpty();
  }

  @Test
  void theListCanBeAskedForAState() {
    TestPod ready = pods().run();
    TestPod stopped = pods().run();
    stopped.stop();

    assertThat(ids(filter().setState(state(PodSandboxState.SANDBOX_READY))))
        .contains(ready.id())
        .doesNotContain(stopped.id());
    assertThat(ids(filter().setState(state(PodSandboxState.SANDBOX_NOTREADY))))
        .contains(stopped.id())
        .doesNotContain(ready.id());
  }

  @Test
  void theListCanBeAskedForLabelsAllOfWhichMustMatch() {
    TestPod web = pods().run(Pods.withLabels(Map.of("app", "web", "tier", "front")));
    TestPod other = pods().run(Pods.withLabels(Map.of("app", "web", "tier", "back")));

    assertThat(ids(filter().putLabelSelector("app", "web"))).contains(web.id(), other.id());
    assertThat(ids(filter().putLabelSelector("app", "web").putLabelSelector("tier", "front")))
        .containsExactly(web.id());
    assertThat(ids(filter().putLabelSelector("app", "none"))).isEmpty();
  }

  @Test
  void allConditionsOfAFilterMustHold() {
    TestPod pod = pods().run(Pods.withLabels(Map.of("app", "web")));

    assertThat(
            ids(
                filter()
                    .setId(pod.id())
                    .setState(state(PodSandboxState.SANDBOX_READY))
                    .putLabelSelector("app", "web")))
        .containsExactly(pod.id());
    assertThat(ids(filter().setId(pod.id()).setState(state(PodSandboxState.SANDBOX_NOTREADY))))
        .isEmpty();
    assertThat(ids(filter().setId(pod.id()).putLabelSelector("app", "other"))).isEmpty();
  }
}
