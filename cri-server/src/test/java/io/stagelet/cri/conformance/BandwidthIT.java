package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.StatusRuntimeException;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A pod's bandwidth is limited by the CNI project's own plugin, and the kernel says so. */
class BandwidthIT extends ConformanceSuite {
  private static final String FILE = "00-shaped.conflist";
  private static final String NETWORK =
      """
      {"cniVersion": "1.0.0", "name": "conformance", "plugins": [
        {"type": "bridge", "bridge": "cni-shaped", "isGateway": true,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.223.0.0/16"}]]}},
        {"type": "bandwidth", "capabilities": {"bandwidth": true}}]}
      """;

  BandwidthIT(NodeUnderTest node) {
    super(node);
  }

  private StageletRuntime server() {
    return (StageletRuntime) node().runtime();
  }

  @BeforeEach
  void aNetworkThatShapes() throws IOException {
    stageletOnly("the network plugins of other runtimes are not the suite's");
    Files.writeString(server().networks().resolve(FILE), NETWORK);
  }

  @AfterEach
  void theUsualNetwork() throws IOException {
    if (node().runtime() instanceof StageletRuntime runtime) {
      pods().removeAll();
      Files.deleteIfExists(runtime.networks().resolve(FILE));
      var _ = Command.of("ip", "link", "delete", "cni-shaped").run();
      await("the usual network")
          .atMost(Duration.ofSeconds(30))
          .ignoreExceptionsInstanceOf(StatusRuntimeException.class)
          .until(() ->
              cri().status(false).getStatus().getConditionsList().stream()
                  .allMatch(condition -> condition.getStatus()));
    }
  }

  @Test
  void bothDirectionsAreHeldToWhatThePodSays() {
    TestPod pod =
        pods()
            .run(config ->
                config
                    .putAnnotations("kubernetes.io/ingress-bandwidth", "10M")
                    .putAnnotations("kubernetes.io/egress-bandwidth", "20M"));

    assertThat(pod.ip()).startsWith("10.223.");
    assertThat(limits())
        .hasSize(2)
        .anySatisfy(limit -> assertThat(limit).contains("dev veth", "rate 10Mbit"))
        .anySatisfy(limit -> assertThat(limit).contains("dev bwp", "rate 20Mbit"));

    pod.stop();
    assertThat(limits()).isEmpty();
  }

  @Test
  void aPodThatSaysNothingIsNotHeld() {
    TestPod pod = pods().run();

    assertThat(pod.ip()).startsWith("10.223.");
    assertThat(limits()).isEmpty();
  }

  /** The queues that let no more than a rate through, as tc(8) lists them. */
  private static List<String> limits() {
    return Command.of("tc", "qdisc", "show")
        .runChecked()
        .text()
        .lines()
        .filter(line -> line.contains(" tbf ") || line.contains(" htb "))
        .toList();
  }
}
