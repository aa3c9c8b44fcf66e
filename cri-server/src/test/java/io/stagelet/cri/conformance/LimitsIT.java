package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.cri.v1.SecurityProfile;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import io.stagelet.linux.Command;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a kernel holds containers to: limits of memory, processor and processes, and AppArmor. Needs
 * a machine with all controllers and AppArmor, and is run in one of kind uml; where one of them is
 * missing, these tests fail.
 */
@Tag(LimitsIT.ENFORCED)
class LimitsIT extends ConformanceSuite {
  /** The tag of tests that only a machine with all controllers and AppArmor can pass. */
  static final String ENFORCED = "enforced";

  private static final long MEMORY = 64L << 20;

  LimitsIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void aContainerSeesItsLimitsAndTheirChanges() {
    TestContainer container =
        limited(
                LinuxContainerResources.newBuilder()
                    .setMemoryLimitInBytes(MEMORY)
                    .setCpuShares(512)
                    .setCpuQuota(50_000)
                    .setCpuPeriod(100_000))
            .idle()
            .start();
    assertThat(file(container, "memory.max")).isEqualTo(Long.toString(MEMORY));
    assertThat(file(container, "cpu.max")).isEqualTo("50000 100000");
    assertThat(file(container, "cpu.weight")).isEqualTo("20");

    var _ =
        cri()
            .runtime(Duration.ofSeconds(60))
            .updateContainerResources(
                UpdateContainerResourcesRequest.newBuilder()
                    .setContainerId(container.id())
                    .setLinux(
                        LinuxContainerResources.newBuilder()
                            .setMemoryLimitInBytes(2 * MEMORY)
                            .setCpuQuota(20_000)
                            .setCpuPeriod(100_000))
                    .build());

    assertThat(file(container, "memory.max")).isEqualTo(Long.toString(2 * MEMORY));
    assertThat(file(container, "cpu.max")).isEqualTo("20000 100000");
  }

  @Test
  void memoryAndSwapAreLimited() {
    TestContainer container =
        limited(
                LinuxContainerResources.newBuilder()
                    .setMemoryLimitInBytes(MEMORY)
                    .putUnified("memory.high", Long.toString(MEMORY / 2))
                    .putUnified("memory.oom.group", "1"))
            .idle()
            .start();

    assertThat(file(container, "memory.max")).isEqualTo(Long.toString(MEMORY));
    assertThat(file(container, "memory.high")).isEqualTo(Long.toString(MEMORY / 2));
    assertThat(file(container, "memory.oom.group")).isEqualTo("1");
    assertThat(file(container, "memory.swap.max")).isEqualTo("0");

    cri()
        .updateContainerResources(
            UpdateContainerResourcesRequest.newBuilder()
                .setContainerId(container.id())
                .setLinux(
                    LinuxContainerResources.newBuilder()
                        .setMemoryLimitInBytes(2 * MEMORY)
                        .putUnified("memory.oom.group", "0"))
                .build());

    assertThat(file(container, "memory.max")).isEqualTo(Long.toString(2 * MEMORY));
    assertThat(file(container, "memory.oom.group")).isEqualTo("0");
  }

  @Test
  void processesAreLimited() {
    TestContainer container =
        limited(LinuxContainerResources.newBuilder().putUnified("pids.max", "17")).idle().start();

    assertThat(file(container, "pids.max")).isEqualTo("17");
  }

  /** The class {@code slow} of the suite's server. */
  @Test
  void aClassOfBlockIoIsWhatTheKernelGoesBy() {
    stageletOnly("the classes are written down for the suite's server");
    TestContainer container =
        pods()
            .run(
                config -> config.putAnnotations("blockio.resources.beta.kubernetes.io/pod", "slow"))
            .idleContainer();

    assertThat(file(container, "io.max")).contains("wbps=1048576");
    // 8 MiB at 1 MiB a second, the first of which the kernel lets through at once
    Duration slow = timeOfWriting(container);
    assertThat(slow).isGreaterThan(Duration.ofSeconds(6));
    assertThat(timeOfWriting(pods().run().idleContainer())).isLessThan(slow.dividedBy(2));
  }

  /** How long 8 MiB are under way to the disk. */
  private static Duration timeOfWriting(TestContainer container) {
    long begin = System.nanoTime();
    container.execText("dd", "if=/dev/zero", "of=/written", "bs=1M", "count=8", "oflag=direct");
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  /** kubelet limits the number of a pod's processes by its slice. */
  @Test
  void thePodsLimitOfProcessesHolds() {
    TestPod pod = pods().run();
    TestContainer container = pod.idleContainer();
    String slice = pod.slice();
    Command.of("systemctl", "set-property", "--runtime", slice, "TasksMax=24").runChecked();

    String said =
        container
            .exec("/bin/sh", "-c", "for i in $(seq 40); do sleep 1000000 & done; echo all")
            .getStderr()
            .toStringUtf8();

    assertThat(said).containsIgnoringCase("resource temporarily unavailable");
  }

  @Test
  void aContainerHasTheDefaultProfileOfAppArmor() {
    TestContainer container =
        confined(SecurityProfile.ProfileType.RuntimeDefault, "").idle().start();

    if (node().runtime() instanceof StageletRuntime) {
      assertThat(profileOf(container)).isEqualTo("stagelet-default (enforce)");
    } else {
      assertThat(profileOf(container)).endsWith(" (enforce)");
    }
    assertThat(container.exec("/bin/sh", "-c", "echo 1 > /proc/sysrq-trigger").getExitCode())
        .isNotZero();
  }

  @Test
  void anUnconfinedContainerHasNone() {
    TestContainer container = confined(SecurityProfile.ProfileType.Unconfined, "").idle().start();

    assertThat(profileOf(container))
        .as("Debian has a profile for crun, which confines to nothing")
        .isIn("unconfined", "crun (unconfined)", "runc (unconfined)");
  }

  @Test
  void aProfileOfTheNodeIsHeldTo() {
    Command.of("apparmor_parser", "--replace")
        .withInput(
            """
            profile conformance-no-secrets flags=(attach_disconnected,mediate_deleted) {
              file,
              capability,
              signal,
              deny /secrets/** rw,
            }
            """
                .getBytes(StandardCharsets.UTF_8))
        .runChecked();
    TestContainer container =
        confined(SecurityProfile.ProfileType.Localhost, "conformance-no-secrets").idle().start();

    assertThat(profileOf(container)).isEqualTo("conformance-no-secrets (enforce)");
    assertThat(
            container
                .exec("/bin/sh", "-c", "mkdir -p /secrets && echo 1 > /secrets/one")
                .getExitCode())
        .isNotZero();
    assertThat(container.exec("/bin/sh", "-c", "echo 1 > /others").getExitCode()).isZero();
  }

  @Test
  void aProfileThatIsNotLoadedIsRefusedByName() {
    Status refusal =
        refusal(() ->
            confined(SecurityProfile.ProfileType.Localhost, "no-such-profile").idle().start());

    assertThat(refusal.getDescription()).contains("no-such-profile");
  }

  private ContainerBuilder limited(LinuxContainerResources.Builder resources) {
    return sharedPod().container().with(config -> config.getLinuxBuilder().setResources(resources));
  }

  private static String file(TestContainer container, String name) {
    return container.execText("cat", "/sys/fs/cgroup/" + name);
  }

  private ContainerBuilder confined(SecurityProfile.ProfileType type, String name) {
    ContainerBuilder builder = sharedPod().container();
    builder
        .securityContext()
        .setApparmor(SecurityProfile.newBuilder().setProfileType(type).setLocalhostRef(name));
    return builder;
  }

  private static String profileOf(TestContainer container) {
    return container.execText("cat", "/proc/self/attr/current");
  }
}
