package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class AuthChallengeTest {
  @Test
  void aBearerChallengeHasItsParameters() {
    assertThat(
            AuthChallenge.parse(
                "Bearer realm=\"https://auth.example/token\",service=\"a, b\", Scope=\"repository:x:pull\",n=1"))
        .containsExactly(
            new AuthChallenge(
                "bearer",
                Map.of(
                    "realm",
                    "https://auth.example/token",
                    "service",
                    "a, b",
                    "scope",
                    "repository:x:pull",
                    "n",
                    "1")));
  }

  @Test
  void severalChallengesInOneHeaderAreAllRead() {
    assertThat(AuthChallenge.parse("Basic realm=\"a \\\"b\\\"\", Bearer realm=\"c\""))
        .isEqualTo(
            List.of(
                new AuthChallenge("basic", Map.of("realm", "a \"b\"")),
                new AuthChallenge("bearer", Map.of("realm", "c"))));
  }

  @Test
  void nonsenseHasNoChallenge() {
    assertThat(AuthChallenge.parse("")).isEmpty();
    assertThat(AuthChallenge.parse(",,,\"=")).isEmpty();
    assertThat(AuthChallenge.parse("Bearer realm=\"unended"))
        .containsExactly(new AuthChallenge("bearer", Map.of("realm", "unended")));
  }
}
