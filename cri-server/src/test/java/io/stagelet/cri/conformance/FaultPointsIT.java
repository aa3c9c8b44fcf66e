package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.stage0.spi.FaultPoint;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The server dies once in the life of a pod, at each point of it: the call that is cut short
 * succeeds when it is made again, everything after it as well, and nothing is left.
 */
class FaultPointsIT extends RestartingSuite {
  private static final Duration GRACE = Duration.ofSeconds(60);

  FaultPointsIT(NodeUnderTest node) {
    super(node);
  }

  @ParameterizedTest
  @EnumSource
  void aPodsLifeGoesOnAfterTheServerDied(FaultPoint point) {
    String image = node().pulled(images().layered());
    node().pulled(images().busybox());
    Leftovers before = node().runtime().leftovers();
    server().dieAt(point);

    PodSandboxConfig config = pods().config(Pods.withOneProcessTree());
    TestPod pod = repeated(() -> pods().run(config));
    assertThat(pods().known()).extracting(PodSandbox::getId).containsExactly(pod.id());
    aContainerThatIsAskedToEnd(pod, image);
    TestContainer killed = aContainerThatIsKilled(pod);
    TestContainer running = made(pod.container().idle());
    repeated(pod::stop);
    assertThat(repeated(pod::status).getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    assertThat(repeated(running::awaitEnd).getExitCode()).isEqualTo(137);
    assertThat(repeated(killed::status).getExitCode()).isEqualTo(137);
    repeated(pod::remove);

    assertThat(server().disarm()).as("the server still waits for its death").isFalse();
    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
  }

  private void aContainerThatIsAskedToEnd(TestPod pod, String image) {
    TestContainer container =
        made(
            pod.container()
                .shell("trap 'exit 7' TERM; echo ready; sleep 1000000 & wait")
                .with(config ->
                    config
                        .setStdin(true)
                        .addMounts(
                            Mount.newBuilder()
                                .setContainerPath("/volume")
                                .setReadonly(true)
                                .setImage(
                                    ImageSpec.newBuilder()
                                        .setImage(image)
                                        .setUserSpecifiedImage(image)))));
    assertThat(container.awaitOutput(1)).containsExactly("ready");
    repeated(() -> container.stop(GRACE));
    assertThat(repeated(container::status).getExitCode()).isEqualTo(7);
    assertThat(container.log().lines("stdout")).containsExactly("ready");
    repeated(container::remove);
    assertThat(repeated(pod::containers)).isEmpty();
  }

  private TestContainer aContainerThatIsKilled(TestPod pod) {
    TestContainer container = made(pod.container().idle());
    repeated(() -> container.stop(Duration.ZERO));
    assertThat(repeated(container::status).getExitCode()).isEqualTo(137);
    return container;
  }

  private TestContainer made(ContainerBuilder builder) {
    TestContainer container = repeated(builder::create);
    repeated(container::start);
    return container;
  }
}
