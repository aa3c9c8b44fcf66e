package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.HugepageLimit;
import io.stagelet.cri.v1.LinuxContainerResources;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Limits by the controllers that no test machine has: cpuset, hugetlb and a weighing io. To be run
 * by hand on a machine that has them ({@code ConformanceRun every-controller}); where one is
 * missing, these tests fail.
 */
@Tag(EveryControllerIT.TAG)
class EveryControllerIT extends ConformanceSuite {
  static final String TAG = "every-controller";

  private static final long MEBI = 1 << 20;

  EveryControllerIT(NodeUnderTest node) {
    super(node);
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
  void processorsAreThoseThatAreAllowed() {
    TestContainer container = limited(resources -> resources.setCpusetCpus("0").setCpusetMems("0"));

    assertThat(container.execText("sh", "-c", "grep Cpus_allowed_list /proc/self/status"))
        .endsWith("\t0");
    assertThat(file(container, "cpuset.mems")).isEqualTo("0");
  }

  @Test
  void theDisksShareIsTheContainers() {
    TestContainer container =
        limited(resources -> resources.putUnified("io.weight", "default 200"));

    assertThat(file(container, "io.weight")).contains("default 200");
  }

  @Test
  void hugePagesAreLimited() {
    TestContainer container =
        limited(resources ->
            resources.addHugepageLimits(
                HugepageLimit.newBuilder().setPageSize("2MB").setLimit(4 * MEBI)));

    assertThat(file(container, "hugetlb.2MB.max")).isEqualTo(String.valueOf(4 * MEBI));
    assertThat(file(container, "hugetlb.2MB.rsvd.max")).isEqualTo(String.valueOf(4 * MEBI));
  }
}
