package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

final class TokensTest {
  private final AtomicReference<Instant> now = new AtomicReference<>(Instant.EPOCH);
  private final InstantSource source = now::get;
  private final Clock clock = source.withZone(ZoneOffset.UTC);
  private final Tokens tokens = new Tokens(clock, new SecureRandom());
  private final StreamRequest request =
      new StreamRequest.PortSession("n/p", Optional.empty(), List.of());

  @Test
  void aTokenIsGoodOnce() {
    String token = tokens.issue(request);
    assertThat(tokens.redeem("portforward", token)).map(Tokens.Asked::request).contains(request);
    assertThat(tokens.redeem("portforward", token)).isEmpty();
    assertThat(tokens.size()).isZero();
  }

  @Test
  void aTokenOfAnotherKindIsNotUsedUp() {
    String token = tokens.issue(request);
    assertThat(tokens.redeem("exec", token)).isEmpty();
    assertThat(tokens.redeem("portforward", token)).map(Tokens.Asked::request).contains(request);
  }

  @Test
  void aTokenIsGoodForAMinuteAndForgottenThen() {
    String token = tokens.issue(request);
    now.set(now.get().plus(Duration.ofSeconds(59)));
    String other = tokens.issue(request);
    now.set(now.get().plus(Duration.ofSeconds(1)));
    assertThat(tokens.redeem("portforward", token)).isEmpty();
    now.set(now.get().plus(Duration.ofSeconds(59)));
    String last = tokens.issue(request);
    assertThat(tokens.size()).isEqualTo(1);
    assertThat(tokens.redeem("portforward", other)).isEmpty();
    assertThat(tokens.redeem("portforward", last)).map(Tokens.Asked::request).contains(request);
  }
}
