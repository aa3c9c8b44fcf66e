package io.stagelet.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan.Resources;
import io.stagelet.units.UnitProperty;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LimitsTest {
  private static final UnitProperty NO_TASK_LIMIT = UnitProperty.tasksMax(UnitProperty.INFINITY);

  @Test
  void whatIsNotSaidIsNotSet() {
    assertThat(Limits.of(Resources.NONE).properties()).containsExactly(NO_TASK_LIMIT);
  }

  @Test
  void processorsMemoryAndSetsAreProperties() {
    Limits limits =
        Limits.of(
            new Resources(
                1024, 50_000, 100_000, 64 << 20, 96 << 20, "0-1", "0", 0, Map.of(), Map.of()));

    assertThat(limits.properties())
        .containsExactlyInAnyOrder(
            NO_TASK_LIMIT,
            UnitProperty.cpuWeight(39),
            UnitProperty.cpuQuotaPerSecUSec(500_000),
            UnitProperty.cpuQuotaPeriodUSec(100_000),
            UnitProperty.memoryMax(64 << 20),
            UnitProperty.memorySwapMax(32 << 20),
            UnitProperty.allowedCpus("0-1"),
            UnitProperty.allowedMemoryNodes("0"));
    assertThat(limits.files()).isEmpty();
  }

  @Test
  void aQuotaWithoutAPeriodIsOfTheUsualOne() {
    assertThat(Limits.of(cpu(20_000, 0)).properties())
        .contains(
            UnitProperty.cpuQuotaPerSecUSec(200_000), UnitProperty.cpuQuotaPeriodUSec(100_000));
  }

  @Test
  void negativeMeansNoLimit() {
    assertThat(Limits.of(cpu(-1, 0)).properties())
        .contains(UnitProperty.cpuQuotaPerSecUSec(UnitProperty.INFINITY));
    assertThat(Limits.of(memory(-1, 0)).properties())
        .contains(
            UnitProperty.memoryMax(UnitProperty.INFINITY),
            UnitProperty.memorySwapMax(UnitProperty.INFINITY));
  }

  @ParameterizedTest
  @CsvSource({"100, 0, 0", "100, 100, 0", "100, 150, 50", "100, -1, -1"})
  void swapIsWhatIsLeftOfBoth(long memory, long both, long swap) {
    assertThat(Limits.of(memory(memory, both)).properties())
        .contains(UnitProperty.memoryMax(memory), UnitProperty.memorySwapMax(swap));
  }

  @ParameterizedTest
  @CsvSource({"100, 99", "0, 100"})
  void bothAreNotLessThanMemory(long memory, long both) {
    assertThatThrownBy(() -> Limits.of(memory(memory, both)))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT))
        .hasMessageContaining("memory_swap_limit_in_bytes");
  }

  @Test
  void filesThatSystemdWritesBecomeProperties() {
    Limits limits =
        Limits.of(
            unified(
                Map.of(
                    "memory.high", "1000",
                    "memory.low", "max",
                    "pids.max", "7",
                    "cpu.weight", "20",
                    "cpu.max", "max 50000",
                    "io.weight", "default 200\n8:0 300",
                    "io.max", "8:16 rbps=2097152 wiops=120\n8:0 rbps=max",
                    "io.latency", "8:0 target=75")));

    assertThat(limits.properties())
        .containsExactlyInAnyOrder(
            UnitProperty.memoryHigh(1000),
            UnitProperty.memoryLow(UnitProperty.INFINITY),
            UnitProperty.tasksMax(7),
            UnitProperty.cpuWeight(20),
            UnitProperty.cpuQuotaPerSecUSec(UnitProperty.INFINITY),
            UnitProperty.cpuQuotaPeriodUSec(50_000),
            UnitProperty.ioWeight(200),
            UnitProperty.ioDeviceWeight(List.of(device("8:0", 300))),
            UnitProperty.ioReadBandwidthMax(
                List.of(device("8:16", 2_097_152), device("8:0", UnitProperty.INFINITY))),
            UnitProperty.ioWriteOperationsMax(List.of(device("8:16", 120))),
            UnitProperty.ioDeviceLatencyTarget(List.of(device("8:0", 75))));
    assertThat(limits.files()).isEmpty();
  }

  @Test
  void otherFilesAndHugePagesAreWrittenToTheGroup() {
    Limits limits =
        Limits.of(
            new Resources(
                0,
                0,
                0,
                0,
                0,
                "",
                "",
                0,
                Map.of("2MB", 4L << 20),
                Map.of("memory.oom.group", "1", "misc.max", "a 1\nb 2")));

    assertThat(limits.files())
        .containsExactly(
            new Limits.Write("hugetlb.2MB.max", "4194304"),
            new Limits.Write("hugetlb.2MB.rsvd.max", "4194304"),
            new Limits.Write("memory.oom.group", "1"),
            new Limits.Write("misc.max", "a 1"),
            new Limits.Write("misc.max", "b 2"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"cgroup.procs", "cgroup.kill", "../x.y", "memory", "memory/x.y", "a.b/../../c"})
  void aFileThatLimitsNothingIsRefused(String key) {
    assertThatThrownBy(() -> Limits.of(unified(Map.of(key, "1"))))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(key);
  }

  @ParameterizedTest
  @CsvSource({
    "memory.max, much",
    "cpu.weight, 0",
    "cpu.max, 1 0",
    "io.max, sda rbps=1",
    "io.max, 8:0 speed=1",
    "io.max, 8:0 rbps",
    "io.latency, 8:0"
  })
  void aValueThatTheFileDoesNotTakeIsRefused(String key, String value) {
    assertThatThrownBy(() -> Limits.of(unified(Map.of(key, value))))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT));
  }

  @Test
  void memoryThatIsChangedAloneKeepsItsSwap() {
    Resources changed = memory(100, 150).changedBy(memory(200, 0));

    assertThat(changed.swapLimit()).isEqualTo(250);
    assertThat(Limits.of(changed).properties())
        .contains(UnitProperty.memoryMax(200), UnitProperty.memorySwapMax(50));
  }

  private static UnitProperty.DeviceNumber device(String numbers, long value) {
    return new UnitProperty.DeviceNumber(Path.of("/dev/block", numbers), value);
  }

  private static Resources cpu(long quota, long period) {
    return new Resources(0, quota, period, 0, 0, "", "", 0, Map.of(), Map.of());
  }

  private static Resources memory(long memory, long both) {
    return new Resources(0, 0, 0, memory, both, "", "", 0, Map.of(), Map.of());
  }

  private static Resources unified(Map<String, String> files) {
    return new Resources(0, 0, 0, 0, 0, "", "", 0, Map.of(), files);
  }
}
