package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import org.junit.jupiter.api.Test;

/** Rates from one reading to another. */
class CpuRatesTest {
  private static final Instant BEGIN = Instant.parse("2026-01-02T03:04:05Z");

  private final CpuRates rates = new CpuRates();

  private long rate(long microseconds, long millisecondsSinceBegin) {
    return rates.nanoCores("id", microseconds, BEGIN.plusMillis(millisecondsSinceBegin), BEGIN);
  }

  @Test
  void theFirstRateIsOverTheWholeLife() {
    assertThat(rate(5_000_000, 10_000)).isEqualTo(500_000_000);
  }

  @Test
  void theNextIsSinceTheReadingBefore() {
    rate(5_000_000, 10_000);

    assertThat(rate(7_000_000, 12_000)).isEqualTo(1_000_000_000);
  }

  @Test
  void aQuestionRightAfterAnotherIsNotAnsweredByTheMomentBetween() {
    rate(5_000_000, 10_000);
    rate(7_000_000, 12_000);

    assertThat(rate(7_000_000, 12_001)).isBetween(990_000_000L, 1_000_000_000L);
  }

  @Test
  void aCounterThatBeganAnewIsAnotherContainers() {
    rate(5_000_000, 10_000);

    assertThat(rate(1_000_000, 20_000)).isEqualTo(50_000_000);
  }

  @Test
  void nothingElapsedIsNoRate() {
    assertThat(rate(5, 0)).isZero();
  }
}
