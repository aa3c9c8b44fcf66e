package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.HugepageLimit;
import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import io.stagelet.cri.v1.UpdatePodSandboxResourcesRequest;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What containers and pods may use stands in the properties of their units. */
class ResourcesIT extends ConformanceSuite {
  private static final long MEBI = 1 << 20;

  ResourcesIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void unitsAreStagelets() {
    stageletOnly("limits are properties of the container's unit");
  }

  @Test
  void everyLimitIsAPropertyOfTheUnit() {
    TestContainer container =
        limited(resources ->
                resources
                    .setCpuShares(1024)
                    .setCpuQuota(50_000)
                    .setCpuPeriod(100_000)
                    .setMemoryLimitInBytes(64 * MEBI)
                    .setMemorySwapLimitInBytes(96 * MEBI)
                    .setCpusetCpus("0")
                    .putUnified("memory.high", "50331648")
                    .putUnified("memory.min", "1048576")
                    .putUnified("io.weight", "default 200")
                    .putUnified("io.max", "8:0 rbps=1048576 wiops=120")
                    .putUnified("pids.max", "77"))
            .start();

    assertThat(
            properties(
                container,
                "CPUWeight",
                "CPUQuotaPerSecUSec",
                "MemoryMax",
                "MemorySwapMax",
                "MemoryHigh",
                "MemoryMin",
                "AllowedCPUs",
                "IOWeight",
                "IOReadBandwidthMax",
                "IOWriteIOPSMax",
                "TasksMax"))
        .containsEntry("CPUWeight", "39")
        .containsEntry("CPUQuotaPerSecUSec", "500ms")
        .containsEntry("MemoryMax", "67108864")
        .containsEntry("MemorySwapMax", "33554432")
        .containsEntry("MemoryHigh", "50331648")
        .containsEntry("MemoryMin", "1048576")
        .containsEntry("AllowedCPUs", "0")
        .containsEntry("IOWeight", "200")
        .containsEntry("IOReadBandwidthMax", "/dev/block/8:0 1048576")
        .containsEntry("IOWriteIOPSMax", "/dev/block/8:0 120")
        .containsEntry("TasksMax", "77");
  }

  @Test
  void withoutAWordAboutItThereIsNoSwapBesideAMemoryLimit() {
    TestContainer container =
        limited(resources -> resources.setMemoryLimitInBytes(64 * MEBI)).start();
    assertThat(properties(container, "MemorySwapMax")).containsEntry("MemorySwapMax", "0");

    update(container, resources -> resources.setMemorySwapLimitInBytes(-1));
    assertThat(properties(container, "MemorySwapMax", "MemoryMax"))
        .containsEntry("MemorySwapMax", "infinity")
        .containsEntry("MemoryMax", "67108864");
  }

  @Test
  void anUpdateChangesTheUnitAndTheStatus() {
    TestContainer container =
        limited(resources ->
                resources
                    .setMemoryLimitInBytes(64 * MEBI)
                    .setCpuQuota(50_000)
                    .setCpuPeriod(100_000)
                    .putUnified("memory.high", "50331648"))
            .start();

    update(
        container,
        resources ->
            resources
                .setMemoryLimitInBytes(128 * MEBI)
                .setCpuQuota(-1)
                .putUnified("memory.low", "4096")
                .addHugepageLimits(HugepageLimit.newBuilder().setPageSize("2MB").setLimit(0)));

    assertThat(properties(container, "MemoryMax", "CPUQuotaPerSecUSec", "MemoryHigh", "MemoryLow"))
        .containsEntry("MemoryMax", "134217728")
        .containsEntry("CPUQuotaPerSecUSec", "infinity")
        .containsEntry("MemoryHigh", "50331648")
        .containsEntry("MemoryLow", "4096");
    LinuxContainerResources told = container.status().getResources().getLinux();
    assertThat(told.getMemoryLimitInBytes()).isEqualTo(128 * MEBI);
    assertThat(told.getCpuQuota()).isEqualTo(-1);
    assertThat(told.getUnifiedMap())
        .isEqualTo(Map.of("memory.high", "50331648", "memory.low", "4096"));
    assertThat(told.getHugepageLimits(0).getPageSize()).isEqualTo("2MB");
  }

  @Test
  void limitsOfHugePagesAreToleratedWhereTheKernelHasNone() {
    TestContainer container =
        limited(resources ->
                resources
                    .addHugepageLimits(HugepageLimit.newBuilder().setPageSize("2MB").setLimit(0))
                    .addHugepageLimits(HugepageLimit.newBuilder().setPageSize("1GB").setLimit(0)))
            .start();

    assertThat(container.execText("echo", "runs")).isEqualTo("runs");
  }

  /** Files that every control group has, whatever controllers the machine has. */
  @Test
  void whatSystemdHasNoPropertyForIsWrittenToTheControlGroup() {
    TestContainer container =
        limited(resources -> resources.putUnified("cgroup.max.descendants", "17")).start();
    assertThat(container.execText("cat", "/sys/fs/cgroup/cgroup.max.descendants")).isEqualTo("17");

    update(container, resources -> resources.putUnified("cgroup.max.descendants", "19"));
    assertThat(container.execText("cat", "/sys/fs/cgroup/cgroup.max.descendants")).isEqualTo("19");
  }

  @Test
  void aFileThatIsNotThereIsToldWithItsName() {
    TestContainer container =
        limited(resources -> resources.putUnified("nothing.such", "1")).create();

    assertThat(refusal(container::start).getDescription()).contains("nothing");
  }

  @Test
  void aLimitThatCannotBeIsRefusedAtOnce() {
    for (UnaryOperator<LinuxContainerResources.Builder> wrong :
        java.util.List.<UnaryOperator<LinuxContainerResources.Builder>>of(
            resources -> resources.putUnified("cgroup.procs", "1"),
            resources -> resources.putUnified("memory.max", "much"),
            resources -> resources.setMemoryLimitInBytes(100).setMemorySwapLimitInBytes(99),
            resources -> resources.setCpusetCpus("first"))) {
      assertThat(refusal(() -> limited(wrong).create()).getCode())
          .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }
  }

  /** runc complains of a group in which there is a process, if it takes it at all. */
  @Test
  void theUnitsGroupIsEmptyWhenTheRuntimeTakesIt() throws IOException {
    TestContainer container = sharedPod().idleContainer();

    Path folder = ((StageletRuntime) node().runtime()).runFolder();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path log :
          files
              .filter(file -> file.endsWith("runtime.log"))
              .filter(file -> file.toString().contains(container.id()))
              .toList()) {
        assertThat(log).content().doesNotContain("not empty");
      }
    }
    String unit = show(unitOf(container), "ControlGroup").getOrDefault("ControlGroup", "");
    assertThat(Files.readAllLines(Path.of("/sys/fs/cgroup", unit, "cgroup.procs"))).isNotEmpty();
  }

  @Test
  void aClassOfBlockIoIsPropertiesOfTheUnit() {
    TestPod pod =
        pods()
            .run(config ->
                config
                    .putAnnotations("blockio.resources.beta.kubernetes.io/pod", "slow")
                    .putAnnotations("blockio.resources.beta.kubernetes.io/container.quick", "fast")
                    .putAnnotations("blockio.resources.beta.kubernetes.io/container.odd", "odd"));

    assertThat(properties(named(pod, "any").start(), "IOWeight")).containsEntry("IOWeight", "50");
    assertThat(properties(named(pod, "quick").start(), "IOWeight"))
        .containsEntry("IOWeight", "4500");
    Status refusal = refusal(() -> named(pod, "odd").create());
    assertThat(refusal.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(refusal.getDescription()).contains("'odd'", "[fast, slow]");
  }

  @Test
  void aClassOfTheProcessorsCacheIsRefused() {
    TestPod pod =
        pods().run(config -> config.putAnnotations("rdt.resources.beta.kubernetes.io/pod", "gold"));

    Status refusal = refusal(() -> pod.container().idle().create());
    assertThat(refusal.getCode()).isEqualTo(Status.Code.UNIMPLEMENTED);
    assertThat(refusal.getDescription()).contains("rdt.resources.beta.kubernetes.io/pod");
  }

  private static ContainerBuilder named(TestPod pod, String name) {
    return pod.container().idle().with(config -> config.getMetadataBuilder().setName(name));
  }

  @Test
  void aPodWithoutASliceGetsOneWithItsLimits() {
    TestPod pod =
        pods()
            .run(config -> {
              config
                  .getLinuxBuilder()
                  .clearCgroupParent()
                  .setResources(
                      LinuxContainerResources.newBuilder().setMemoryLimitInBytes(100 * MEBI))
                  .setOverhead(
                      LinuxContainerResources.newBuilder().setMemoryLimitInBytes(20 * MEBI));
              return config;
            });
    String slice = "stagelet-%s.slice".formatted(pod.id().substring(0, 12));
    TestContainer container = pod.idleContainer();
    assertThat(show(slice, "MemoryMax")).containsEntry("MemoryMax", "125829120");
    assertThat(properties(container, "Slice")).containsEntry("Slice", slice);

    cri()
        .updatePodSandboxResources(
            UpdatePodSandboxResourcesRequest.newBuilder()
                .setPodSandboxId(pod.id())
                .setResources(
                    LinuxContainerResources.newBuilder().setMemoryLimitInBytes(200 * MEBI))
                .build());

    assertThat(show(slice, "MemoryMax")).containsEntry("MemoryMax", "230686720");
    assertThat(cri().verbosePodSandboxStatus(pod.id()).getInfoMap().get("resources"))
        .contains("\"memoryLimit\":209715200", "\"memoryLimit\":20971520");
    pod.stop();
    assertThat(show(slice, "ActiveState")).containsEntry("ActiveState", "inactive");
  }

  @Test
  void theSliceThatKubeletMadeIsLeftToIt() {
    TestPod pod = pods().run();

    cri()
        .updatePodSandboxResources(
            UpdatePodSandboxResourcesRequest.newBuilder()
                .setPodSandboxId(pod.id())
                .setResources(
                    LinuxContainerResources.newBuilder().setMemoryLimitInBytes(200 * MEBI))
                .build());

    assertThat(show(pod.slice(), "MemoryMax")).containsEntry("MemoryMax", "infinity");
    assertThat(cri().verbosePodSandboxStatus(pod.id()).getInfoMap().get("resources"))
        .contains("\"memoryLimit\":209715200");
  }

  private ContainerBuilder limited(UnaryOperator<LinuxContainerResources.Builder> limits) {
    return sharedPod()
        .container()
        .idle()
        .with(config ->
            config
                .getLinuxBuilder()
                .setResources(limits.apply(LinuxContainerResources.newBuilder())));
  }

  private void update(
      TestContainer container, UnaryOperator<LinuxContainerResources.Builder> limits) {
    cri()
        .updateContainerResources(
            UpdateContainerResourcesRequest.newBuilder()
                .setContainerId(container.id())
                .setLinux(limits.apply(LinuxContainerResources.newBuilder()))
                .build());
  }

  private static Map<String, String> properties(TestContainer container, String... names) {
    return show(unitOf(container), names);
  }

  private static String unitOf(TestContainer container) {
    return Command.of("systemctl", "list-units", "--all", "--plain", "--no-legend", "ctr-*")
        .runChecked()
        .text()
        .lines()
        .map(line -> line.split(" +", 2)[0])
        .filter(name -> name.contains(container.id().substring(0, 12)))
        .findFirst()
        .orElseThrow();
  }

  private static Map<String, String> show(String unit, String... names) {
    return Command.of("systemctl", "show", unit, "--property=" + String.join(",", names))
        .runChecked()
        .text()
        .lines()
        .map(line -> line.split("=", 2))
        .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
  }
}
