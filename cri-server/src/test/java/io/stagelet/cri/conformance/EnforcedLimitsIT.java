package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a container is limited to, as it sees it itself. Wants a machine whose kernel hands control
 * group controllers on (kind {@code uml}, or a real one); elsewhere it is reported as aborted, with
 * the controller that is missing.
 */
@Tag("enforced-limits")
class EnforcedLimitsIT extends ConformanceSuite {
  private static final long MEBI = 1 << 20;

  EnforcedLimitsIT(NodeUnderTest node) {
    super(node);
  }

  private static void wants(String... controllers) throws IOException {
    List<String> here =
        List.of(Files.readString(Path.of("/sys/fs/cgroup/cgroup.controllers")).strip().split(" "));
    for (String controller : controllers) {
      assumeTrue(here.contains(controller), "this machine has no controller " + controller);
    }
  }

  private TestContainer limited(UnaryOperator<LinuxContainerResources.Builder> limits) {
    return sharedPod()
        .container()
        .idle()
        .with(config ->
            config
                .getLinuxBuilder()
                .setResources(limits.apply(LinuxContainerResources.newBuilder())))
        .start();
  }

  private static String file(TestContainer container, String name) {
    return container.execText("cat", "/sys/fs/cgroup/" + name);
  }

  @Test
  void memoryAndSwapAreLimited() throws IOException {
    wants("memory");
    TestContainer container =
        limited(resources ->
            resources
                .setMemoryLimitInBytes(64 * MEBI)
                .putUnified("memory.high", String.valueOf(48 * MEBI))
                .putUnified("memory.oom.group", "1"));

    assertThat(file(container, "memory.max")).isEqualTo(String.valueOf(64 * MEBI));
    assertThat(file(container, "memory.high")).isEqualTo(String.valueOf(48 * MEBI));
    assertThat(file(container, "memory.oom.group")).isEqualTo("1");
    if (container.exec("test", "-e", "/sys/fs/cgroup/memory.swap.max").getExitCode() == 0) {
      assertThat(file(container, "memory.swap.max")).isEqualTo("0");
    }

    cri()
        .updateContainerResources(
            UpdateContainerResourcesRequest.newBuilder()
                .setContainerId(container.id())
                .setLinux(
                    LinuxContainerResources.newBuilder()
                        .setMemoryLimitInBytes(128 * MEBI)
                        .putUnified("memory.oom.group", "0"))
                .build());

    assertThat(file(container, "memory.max")).isEqualTo(String.valueOf(128 * MEBI));
    assertThat(file(container, "memory.oom.group")).isEqualTo("0");
  }

  @Test
  void processorTimeIsLimited() throws IOException {
    wants("cpu");
    TestContainer container =
        limited(
            resources -> resources.setCpuShares(1024).setCpuQuota(50_000).setCpuPeriod(100_000));

    assertThat(file(container, "cpu.weight")).isEqualTo("39");
    assertThat(file(container, "cpu.max")).isEqualTo("50000 100000");
  }

  @Test
  void processesAreLimited() throws IOException {
    wants("pids");
    TestContainer container = limited(resources -> resources.putUnified("pids.max", "17"));

    assertThat(file(container, "pids.max")).isEqualTo("17");
  }

  @Test
  void processorsAreThoseThatAreAllowed() throws IOException {
    wants("cpuset");
    TestContainer container = limited(resources -> resources.setCpusetCpus("0").setCpusetMems("0"));

    assertThat(container.execText("sh", "-c", "grep Cpus_allowed_list /proc/self/status"))
        .endsWith("\t0");
    assertThat(file(container, "cpuset.mems")).isEqualTo("0");
  }

  @Test
  void theDisksShareIsTheContainers() throws IOException {
    wants("io");
    TestContainer container =
        limited(resources -> resources.putUnified("io.weight", "default 200"));

    if (container.exec("test", "-e", "/sys/fs/cgroup/io.weight").getExitCode() == 0) {
      assertThat(file(container, "io.weight")).contains("default 200");
    }
  }

  @Test
  void hugePagesAreLimited() throws IOException {
    wants("hugetlb");
    TestContainer container =
        limited(resources ->
            resources.addHugepageLimits(
                io.stagelet.cri.v1.HugepageLimit.newBuilder()
                    .setPageSize("2MB")
                    .setLimit(4 * MEBI)));

    assertThat(file(container, "hugetlb.2MB.max")).isEqualTo(String.valueOf(4 * MEBI));
    assertThat(file(container, "hugetlb.2MB.rsvd.max")).isEqualTo(String.valueOf(4 * MEBI));
  }
}
