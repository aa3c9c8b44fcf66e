package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class OutOfMemoryKillsTest {
  @Test
  void theTimeOfAnEntryIsRead() {
    assertThat(
            OutOfMemoryKills.timestamp(
                """
                __CURSOR=s=1
                __REALTIME_TIMESTAMP=1700000000123456
                __MONOTONIC_TIMESTAMP=5
                MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef
                """))
        .contains(Instant.parse("2023-11-14T22:13:20.123456Z"));
  }

  @Test
  void withoutAnEntryThereIsNone() {
    assertThat(OutOfMemoryKills.timestamp("")).isEmpty();
  }

  @Test
  void whatIsNoTimeIsSaid() {
    assertThatThrownBy(() -> OutOfMemoryKills.timestamp("__REALTIME_TIMESTAMP=soon"))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("soon");
  }
}
