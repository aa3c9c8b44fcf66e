package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.cri.v1.PodSandboxStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A sandbox is run, described, stopped and removed. */
class SandboxLifecycleIT extends ConformanceSuite {
  private static final String UNKNOWN =
      "5f3a9c1e8b7d6054f3a9c1e8b7d60545f3a9c1e8b7d6054f3a9c1e8b7d60545f";

  SandboxLifecycleIT(NodeUnderTest node) {
    super(node);
  }

  private static long nanosSince1970(Instant time) {
    return TimeUnit.SECONDS.toNanos(time.getEpochSecond()) + time.getNano();
  }

  @Test
  void aSandboxIsReadyAndToldBackAsItWasAskedFor() {
    Map<String, String> labels = Map.of("app", "web", "tier", "front");
    Map<String, String> annotations = Map.of("example.com/note", "{\"a\": \"ü\"}");
    Instant before = Instant.now();

    TestPod pod = pods().run(config -> config.putAllLabels(labels).putAllAnnotations(annotations));

    PodSandboxStatus status = pod.status();
    assertThat(status.getId()).isEqualTo(pod.id());
    assertThat(status.getMetadata()).isEqualTo(pod.config().getMetadata());
    assertThat(status.getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(status.getLabelsMap()).isEqualTo(pod.config().getLabelsMap());
    assertThat(status.getAnnotationsMap()).isEqualTo(annotations);
    assertThat(status.getRuntimeHandler()).isEqualTo(node().handler().name());
    assertThat(status.getCreatedAt())
        .isBetween(nanosSince1970(before), nanosSince1970(Instant.now()));
    assertThat(status.getLinux().getNamespaces().getOptions())
        .isEqualTo(pod.config().getLinux().getSecurityContext().getNamespaceOptions());
  }

  @Test
  void anUnknownHandlerIsRefusedByItsName() {
    PodSandboxConfig config = pods().config(change -> change);

    Status refusal = refusal(() -> cri().runPodSandbox(config, new Handler("no-such-handler")));

    assertThat(refusal.getDescription()).contains("no-such-handler");
    assertThat(pods().known()).isEmpty();
  }

  @Test
  void aSandboxWithoutMetadataIsRefused() {
    refusal(() ->
        cri()
            .runPodSandbox(
                pods().config(PodSandboxConfig.Builder::clearMetadata), node().handler()));
  }

  @Test
  void stoppingASandboxMakesItNotReadyAndKillsItsContainers() {
    TestPod pod = pods().run();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container =
        pod.container().shell("trap '' TERM; sleep " + seconds + " & wait; wait").start();
    container.awaitSleeping(seconds);

    pod.stop();

    assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    assertThat(container.awaitEnd().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(NodeProcesses.sleeping(seconds)).isEmpty();
  }

  @Test
  void aStoppedSandboxIsStillToldBackWithItsContainers() {
    TestPod pod = pods().run();
    TestContainer container = pod.container().shell("exit 3").runToItsEnd();

    pod.stop();

    assertThat(pod.status().getMetadata()).isEqualTo(pod.config().getMetadata());
    assertThat(container.status().getExitCode()).isEqualTo(3);
    assertThat(pod.containers()).hasSize(1);
  }

  @Test
  void stoppingAgainAndAgainIsFine() {
    TestPod pod = pods().run();

    assertThatNoException()
        .isThrownBy(() -> {
          pod.stop();
          pod.stop();
          pod.stop();
        });
  }

  @Test
  void aStoppedSandboxTakesNoNewContainer() {
    TestPod pod = pods().run();
    pod.stop();

    refusal(() -> pod.container().idle().create());
    assertThat(pod.containers()).isEmpty();
  }

  @Test
  void removingASandboxRemovesItsContainers() {
    TestPod pod = pods().run();
    TestContainer ended = pod.container().shell("true").runToItsEnd();
    TestContainer running = pod.idleContainer();

    pod.stop();
    pod.remove();

    assertThat(refusal(pod::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(refusal(ended::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(refusal(running::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(pod.containers()).isEmpty();
    assertThat(pods().known()).isEmpty();
  }

  @Test
  void aRunningSandboxIsRemovedByForce() {
    TestPod pod = pods().run();
    String seconds = NodeProcesses.markedSleep();
    TestContainer container = pod.container().shell("exec sleep " + seconds).start();
    container.awaitSleeping(seconds);

    pod.remove();

    assertThat(refusal(pod::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
    await()
        .atMost(Duration.ofSeconds(5))
        .untilAsserted(() -> assertThat(NodeProcesses.sleeping(seconds)).isEmpty());
  }

  @Test
  void removingAgainIsFine() {
    TestPod pod = pods().run();
    pod.stop();
    pod.remove();

    assertThatNoException()
        .isThrownBy(() -> {
          pod.remove();
          pod.stop();
        });
  }

  @Test
  void anUnknownSandboxIsNotFoundButCanBeStoppedAndRemoved() {
    assertThat(refusal(() -> cri().podSandboxStatus(UNKNOWN)).getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
    assertThatNoException()
        .isThrownBy(() -> {
          cri().stopPodSandbox(UNKNOWN);
          cri().removePodSandbox(UNKNOWN);
        });
  }

  @Test
  void theNextAttemptOfAPodIsAnotherSandbox() {
    PodSandboxConfig first = pods().config(change -> change);
    PodSandboxConfig.Builder second = first.toBuilder();
    second.getMetadataBuilder().setAttempt(1);

    TestPod one = pods().run(first);
    one.stop();
    TestPod other = pods().run(second.build());

    assertThat(other.id()).isNotEqualTo(one.id());
    assertThat(one.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    assertThat(other.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
    assertThat(other.status().getMetadata().getAttempt()).isEqualTo(1);
  }

  @Test
  void aSandboxWithTheNameOfARemovedOneIsANewOne() {
    PodSandboxConfig config = pods().config(change -> change);
    TestPod one = pods().run(config);
    one.stop();
    one.remove();

    TestPod other = pods().run(config);

    assertThat(other.id()).isNotEqualTo(one.id());
    assertThat(other.status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
  }

  @Test
  void namesThatAreLongOrWouldNotDoAsAUnitsNameAreFine() {
    String longName = "a".repeat(200) + ".b-c_d@e";

    TestPod pod =
        pods()
            .run(config -> {
              config.getMetadataBuilder().setName(longName).setNamespace("n".repeat(63));
              return config;
            });

    assertThat(pod.status().getMetadata().getName()).isEqualTo(longName);
  }

  @Test
  void aPodsProcessesAreInTheControlGroupThatKubeletNames() {
    String slice = "conformance-pod%s.slice".formatted(NodeProcesses.markedSleep());
    TestPod pod =
        pods()
            .run(config -> {
              config.getLinuxBuilder().setCgroupParent(slice);
              return config;
            });
    String seconds = NodeProcesses.markedSleep();

    TestContainer container = pod.container().shell("exec sleep " + seconds).start();

    assertThat(container.awaitSleeping(seconds))
        .allSatisfy(pid ->
            assertThat(NodeProcesses.cgroup(pid)).startsWith("/conformance.slice/" + slice + "/"));
  }
}
