package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A container is created, started, ends, and is removed; its status tells of all that. */
@AlsoOnNspawn
class ContainerLifecycleIT extends ConformanceSuite {
  private static final String UNKNOWN =
      "5f3a9c1e8b7d6054f3a9c1e8b7d60545f3a9c1e8b7d6054f3a9c1e8b7d60545f";

  ContainerLifecycleIT(NodeUnderTest node) {
    super(node);
  }

  private static long now() {
    Instant now = Instant.now();
    return TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano();
  }

  @Test
  void aContainerIsCreatedThenRunsThenHasExitedAndItsTimesAreInThatOrder() {
    long begin = now();
    TestContainer container =
        sharedPod().container().shell("trap 'exit 0' TERM; sleep 1000000 & wait").create();
    ContainerStatus created = container.status();
    container.start();
    ContainerStatus running = container.status();
    container.stop(Duration.ofSeconds(10));
    ContainerStatus exited = container.status();

    assertThat(created.getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
    assertThat(created.getCreatedAt()).isBetween(begin, now());
    assertThat(created.getStartedAt()).isZero();
    assertThat(created.getFinishedAt()).isZero();
    assertThat(running.getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(running.getCreatedAt()).isEqualTo(created.getCreatedAt());
    assertThat(running.getStartedAt()).isBetween(created.getCreatedAt(), now());
    assertThat(running.getFinishedAt()).isZero();
    assertThat(exited.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(exited.getCreatedAt()).isEqualTo(created.getCreatedAt());
    assertThat(exited.getStartedAt()).isEqualTo(running.getStartedAt());
    assertThat(exited.getFinishedAt()).isBetween(running.getStartedAt(), now());
  }

  @Test
  void aContainerIsToldBackAsItWasAskedFor() {
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .label("app", "web")
            .with(config -> config.putAnnotations("example.com/note", "ü"))
            .create();

    ContainerStatus status = container.status();
    assertThat(status.getId()).isEqualTo(container.id());
    assertThat(status.getMetadata()).isEqualTo(container.config().getMetadata());
    assertThat(status.getLabelsMap()).isEqualTo(Map.of("app", "web"));
    assertThat(status.getAnnotationsMap()).isEqualTo(Map.of("example.com/note", "ü"));
    assertThat(status.getLogPath()).isEqualTo(container.logFile().toString());
  }

  @Test
  void aContainerTellsWhatTheUserCalledItsImageAndWhichImageThatIs() {
    PushedImage image = images().busybox();
    String imageId = cri().pullImage(image.byTag());

    ContainerStatus status = sharedPod().container(image).idle().create().status();

    assertThat(status.getImage().getImage()).isEqualTo(image.byTag());
    assertThat(status.getImageRef()).isEqualTo(image.byDigest());
    stageletOnly("image_id came with Kubernetes 1.29");
    assertThat(status.getImageId()).isEqualTo(imageId);
  }

  @Test
  void anImageCanBeGivenByItsIdAsKubeletDoes() {
    PushedImage image = images().busybox();
    String imageId = cri().pullImage(image.byTag());

    TestContainer container =
        sharedPod()
            .container(image)
            .shell("exit 0")
            .with(config -> config.getImageBuilder().setImage(imageId))
            .runToItsEnd();

    assertThat(container.status().getExitCode()).isZero();
    assertThat(container.status().getImageRef()).isEqualTo(image.byDigest());
  }

  @Test
  void aContainerThatEndsWellHasCompleted() {
    ContainerStatus status = sharedPod().container().command("/bin/true").start().awaitEnd();

    assertThat(status.getExitCode()).isZero();
    assertThat(status.getReason()).isEqualTo("Completed");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 127, 255})
  void aContainerThatEndsBadlyTellsItsExitCode(int code) {
    ContainerStatus status = sharedPod().container().shell("exit " + code).start().awaitEnd();

    assertThat(status.getExitCode()).isEqualTo(code);
    assertThat(status.getReason()).isEqualTo("Error");
  }

  @ParameterizedTest
  @ValueSource(strings = {"KILL", "SEGV", "HUP"})
  void aContainerKilledBySignalNHasTheExitCode128PlusN(String signal) throws Exception {
    String seconds = NodeProcesses.markedSleep();
    // the first process of a PID namespace is spared by signals that it does not handle
    // (pid_namespaces(7))
    TestPod pod = pods().run(Pods.withOneProcessTree());
    TestContainer container = pod.container().shell("exec sleep " + seconds).start();
    long pid = container.awaitSleeping(seconds).getFirst();

    io.stagelet.linux.Command.of("kill", "-" + signal, Long.toString(pid)).runChecked();

    ContainerStatus status = container.awaitEnd();
    assertThat(status.getExitCode())
        .isEqualTo(
            switch (signal) {
              case "KILL" -> 137;
              case "SEGV" -> 139;
              default -> 129;
            });
    assertThat(status.getReason()).isEqualTo("Error");
  }

  @Test
  void aContainerThatEndsAtOnceIsNotLost() {
    for (int i = 0; i < 5; i++) {
      TestContainer container = sharedPod().container().command("/bin/echo", "short").start();

      assertThat(container.awaitEnd().getExitCode()).isZero();
      assertThat(container.awaitLine()).isEqualTo("short");
    }
  }

  @Test
  void theEndOfAContainerLeavesTheOthersAndThePodAlone() {
    TestPod pod = pods().run();
    TestContainer staying = pod.idleContainer();

    pod.container().shell("exit 1").runToItsEnd();

    assertThat(staying.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(pod.status().getState()).isEqualTo(io.stagelet.cri.v1.PodSandboxState.SANDBOX_READY);
  }

  @Test
  void theNextAttemptOfAContainerIsAnotherContainer() {
    TestContainer first = sharedPod().container().shell("exit 1").runToItsEnd();

    TestContainer second =
        sharedPod()
            .container()
            .idle()
            .with(config ->
                config
                    .setMetadata(first.config().getMetadata().toBuilder().setAttempt(1))
                    .setLogPath(first.config().getMetadata().getName() + "/1.log"))
            .start();

    assertThat(second.id()).isNotEqualTo(first.id());
    assertThat(first.status().getExitCode()).isEqualTo(1);
    assertThat(second.status().getMetadata().getAttempt()).isEqualTo(1);
  }

  @Test
  void namesThatDifferInCaseOnlyAreTwoContainers() {
    TestContainer upper =
        sharedPod()
            .container()
            .idle()
            .with(config -> config.getMetadataBuilder().setName("Foo"))
            .start();
    TestContainer lower =
        sharedPod()
            .container()
            .idle()
            .with(config -> config.getMetadataBuilder().setName("foo"))
            .start();

    assertThat(upper.status().getMetadata().getName()).isEqualTo("Foo");
    assertThat(lower.status().getMetadata().getName()).isEqualTo("foo");
    assertThat(upper.id()).isNotEqualTo(lower.id());
  }

  @Test
  void aCommandThatDoesNotExistIsAStartErrorInTheRuntimesOwnWords() {
    TestContainer container = sharedPod().container().command("/no/such/command").create();

    Status refusal = refusal(container::start);

    assertThat(refusal.getDescription()).contains("/no/such/command");
    ContainerStatus status = container.status();
    assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
    assertThat(status.getExitCode()).isEqualTo(128);
    assertThat(status.getReason()).isEqualTo("StartError");
    assertThat(status.getMessage()).contains("/no/such/command");
    assertThat(status.getFinishedAt()).isPositive();
  }

  @Test
  void aCommandThatIsNotExecutableIsAStartErrorToo() {
    TestContainer container = sharedPod().container().command("/etc/passwd").create();

    refusal(container::start);

    ContainerStatus status = container.status();
    assertThat(status.getExitCode()).isEqualTo(128);
    assertThat(status.getReason()).isEqualTo("StartError");
    assertThat(status.getMessage()).matches("(?is).*(permission denied|not executable).*");
  }

  @Test
  void aContainerThatCouldNotBeStartedIsRemovedLikeAnyOther() {
    TestContainer container = sharedPod().container().command("/no/such/command").create();
    refusal(container::start);

    container.remove();

    assertThat(refusal(container::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void aContainerOfAnImageThatIsNotThereIsRefused() {
    PushedImage neverPulled = images().unique().push();
    int before = sharedPod().containers().size();

    Status refusal =
        refusal(() ->
            sharedPod()
                .container()
                .idle()
                .with(config -> config.getImageBuilder().setImage(neverPulled.byTag()))
                .create());

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(sharedPod().containers()).hasSize(before);
  }

  @Test
  void aContainerInAnUnknownSandboxIsRefused() {
    ContainerConfig config = sharedPod().container().idle().create().config();

    refusal(() -> cri().createContainer(UNKNOWN, config, sharedPod().config()));
  }

  @Test
  void aRunningContainerIsRemovedByForce() {
    String seconds = NodeProcesses.markedSleep();
    TestContainer container =
        sharedPod().container().shell("trap '' TERM; sleep " + seconds + " & wait; wait").start();
    container.awaitSleeping(seconds);

    container.remove();

    assertThat(refusal(container::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
    await()
        .atMost(Duration.ofSeconds(5))
        .untilAsserted(() -> assertThat(NodeProcesses.sleeping(seconds)).isEmpty());
  }

  @Test
  void aCreatedContainerIsRemovedWithoutEverHavingRun() {
    TestContainer container = sharedPod().container().idle().create();

    container.remove();

    assertThat(refusal(container::status).getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void removingAgainIsFine() {
    TestContainer container = sharedPod().container().shell("true").runToItsEnd();
    container.remove();

    assertThatNoException().isThrownBy(container::remove);
  }

  @Test
  void anUnknownContainerIsNotFoundButCanBeStoppedAndRemoved() {
    assertThat(refusal(() -> cri().containerStatus(UNKNOWN)).getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
    assertThat(refusal(() -> cri().startContainer(UNKNOWN)).getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
    assertThatNoException()
        .isThrownBy(() -> {
          cri().stopContainer(UNKNOWN, Duration.ofSeconds(1));
          cri().removeContainer(UNKNOWN);
        });
  }

  @Test
  void anExitedContainerIsNotStartedAgain() {
    TestContainer container = sharedPod().container().shell("exit 4").runToItsEnd();

    refusal(container::start);

    assertThat(container.status().getExitCode()).isEqualTo(4);
  }
}
