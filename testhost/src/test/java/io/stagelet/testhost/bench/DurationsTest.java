package io.stagelet.testhost.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class DurationsTest {
  private final Durations durations = new Durations();

  @Test
  void theMedianOfAnOddNumberIsTheOneInTheMiddle() {
    durations.add(Duration.ofMillis(900));
    durations.add(Duration.ofMillis(2));
    durations.add(Duration.ofMillis(5));
    assertThat(durations.medianMillis()).isEqualTo(5.0);
  }

  @Test
  void theMedianOfAnEvenNumberLiesBetweenTheTwoInTheMiddle() {
    durations.add(Duration.ofMillis(4));
    durations.add(Duration.ofMillis(1));
    durations.add(Duration.ofMillis(3));
    durations.add(Duration.ofMillis(100));
    assertThat(durations.medianMillis()).isEqualTo(3.5);
  }

  @Test
  void thereIsNoMedianOfNothing() {
    assertThatIllegalStateException().isThrownBy(durations::medianMillis);
  }
}
