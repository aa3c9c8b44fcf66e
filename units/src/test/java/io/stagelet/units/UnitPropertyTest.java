package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import org.freedesktop.dbus.types.UInt64;
import org.freedesktop.dbus.types.Variant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnitPropertyTest {
  @ParameterizedTest
  @CsvSource({"'',''", "0,'0'", "'0-3','0,1,2,3'", "' 1-2, 5 ','1,2,5'", "'8','8'"})
  void listsOfProcessorsAreRead(String list, String expected) {
    BitSet set = new BitSet();
    for (String cpu : expected.isEmpty() ? new String[0] : expected.split(",")) {
      set.set(Integer.parseInt(cpu));
    }
    assertThat(CpuList.parse(list)).isEqualTo(set);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "1-", "-1", "3-1", "1,,2", "8192", "1-99999"})
  void listsOfProcessorsWithMistakesAreRefused(String list) {
    assertThatThrownBy(() -> CpuList.parse(list)).hasMessageContaining("'" + list + "'");
  }

  @Test
  void processorsAreBitsFromTheLowestByteOn() {
    assertThat(((UnitProperty.Bytes) UnitProperty.allowedCpus("0,9")).value())
        .containsExactly(1, 2);
  }

  @ParameterizedTest
  @CsvSource({"0,1", "2,1", "1024,39", "262144,10000", "9999999,10000"})
  void sharesAreAWeightOnKubeletsLine(long shares, long weight) {
    assertThat(UnitProperty.cpuShares(shares)).isEqualTo(UnitProperty.cpuWeight(weight));
  }

  @ParameterizedTest
  @CsvSource({"EXITED,137,0", "KILLED,9,9", "DUMPED,6,6", "OTHER,0,0", "NONE,0,0"})
  void onlyASignalIsToldAsOne(MainExitCode how, int status, int signal) {
    MainProcess ended = new MainProcess(ServiceResult.SUCCESS, 0, 1, how, status, null, null, "");
    assertThat(ended.signal()).isEqualTo(signal);
  }

  @Test
  void timeSpansAreInMicrosecondsRoundedUpOrInfinite() {
    assertThat(new UnitProperty.Span("X", Duration.ofMillis(1500)).microseconds())
        .isEqualTo(1_500_000);
    assertThat(new UnitProperty.Span("X", Duration.ofNanos(1)).microseconds()).isEqualTo(1);
    assertThat(new UnitProperty.Span("X", Duration.ZERO).microseconds()).isZero();
    assertThat(new UnitProperty.Span("X", TransientUnit.INFINITE).microseconds())
        .isEqualTo(UnitProperty.INFINITY);
    assertThatThrownBy(() -> new UnitProperty.Span("X", Duration.ofSeconds(-1)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void valuesOutOfRangeAreRefusedByName() {
    assertThatThrownBy(() -> UnitProperty.cpuWeight(0)).hasMessageContaining("CPUWeight is 0");
    assertThatThrownBy(() -> UnitProperty.cpuWeight(10_001)).hasMessageContaining("CPUWeight");
    assertThatThrownBy(() -> UnitProperty.memoryMax(-2)).hasMessageContaining("MemoryMax");
    assertThatThrownBy(() -> UnitProperty.cpuQuotaPeriodUSec(999))
        .hasMessageContaining("CPUQuotaPeriodUSec");
    assertThatThrownBy(() -> new UnitProperty.DeviceRule("/dev/null", "x"))
        .hasMessageContaining("/dev/null");
    assertThatThrownBy(() -> UnitProperty.description("a\0b")).hasMessageContaining("Description");
  }

  @Test
  void infinityIsTheLargestNumberOnTheBus() {
    Object[] encoded =
        Wire.encode(List.of(UnitProperty.memoryMax(UnitProperty.INFINITY))).getFirst();
    assertThat(encoded[0]).isEqualTo("MemoryMax");
    assertThat(encoded[1])
        .isInstanceOfSatisfying(
            Variant.class,
            variant -> {
              assertThat(variant.getSig()).isEqualTo("t");
              assertThat(((UInt64) variant.getValue()).value().bitCount()).isEqualTo(64);
            });
  }

  @Test
  void bytesAreCopied() {
    byte[] mask = {1};
    UnitProperty.Bytes property = new UnitProperty.Bytes("AllowedCPUs", mask);
    mask[0] = 2;
    property.value()[0] = 3;
    assertThat(property).isEqualTo(UnitProperty.allowedCpus("0"));
    assertThat(property).hasSameHashCodeAs(UnitProperty.allowedCpus("0"));
  }
}
