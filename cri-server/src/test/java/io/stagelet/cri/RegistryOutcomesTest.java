package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;

class RegistryOutcomesTest {
  private final StageletException away =
      new StageletException(ErrorCode.UNAVAILABLE, "nobody there");

  private final Ticking clock = new Ticking();
  private final RegistryOutcomes outcomes = new RegistryOutcomes(clock);

  private static final class Ticking extends Clock {
    private Instant now = Instant.ofEpochSecond(1_800_000_000);

    @Override
    public Instant instant() {
      return now;
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      return this;
    }
  }

  @Test
  void theLastPullFromARegistryCounts() {
    outcomes.failed("one.example/a:1", away);
    outcomes.failed("two.example/a:1", away);
    outcomes.done("one.example/b:1");

    assertThat(outcomes.failures()).containsOnlyKeys("two.example");
  }

  @Test
  void whatIsNotTheRegistrysFaultIsNotNoted() {
    outcomes.failed("one.example/a:1", new StageletException(ErrorCode.NOT_FOUND, "no such image"));

    assertThat(outcomes.failures()).isEmpty();
  }

  @Test
  void afterAnHourWithoutAnotherAFailureIsForgotten() {
    outcomes.failed("one.example/a:1", away);
    clock.now = clock.now.plus(Duration.ofMinutes(59));
    assertThat(outcomes.failures()).hasSize(1);

    clock.now = clock.now.plus(Duration.ofMinutes(2));
    assertThat(outcomes.failures()).isEmpty();
  }
}
