package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FollowerBellTest {
  private static final Instant RING = Instant.parse("2030-01-01T00:00:00Z");
  private static final FileTime QUIET = FileTime.from(Instant.EPOCH);
  private static final long MILLI = 1_000_000;

  /** Any moment will do; this one is near where the counter turns over. */
  private static final long START = Long.MAX_VALUE - 40 * MILLI;

  @TempDir Path directory;
  private int onTheWay;
  private FollowerBell bell;

  @BeforeEach
  void hang() throws IOException {
    bell =
        new FollowerBell(Optional.of(directory), Clock.fixed(RING, ZoneOffset.UTC), () -> onTheWay);
    Files.setLastModifiedTime(directory, QUIET);
  }

  @Test
  void isSilentWhileNothingIsSent() throws IOException {
    assertThat(bell.nanosUntilDue(START)).isEqualTo(Long.MAX_VALUE);
    assertThat(rings(START)).isFalse();
  }

  @Test
  void ringsWithinAMillisecondOfAnEntryAtRestAndOnceMore() throws IOException {
    bell.sent(START);
    assertThat(bell.nanosUntilDue(START)).isPositive().isLessThan(MILLI);
    assertThat(rings(START)).isFalse();
    assertThat(rings(START + MILLI)).isTrue();
    assertThat(rings(START + 2 * MILLI)).isFalse();
    assertThat(rings(START + 6 * MILLI)).isTrue();
    assertThat(bell.nanosUntilDue(START + 6 * MILLI)).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void waitsWhileJournaldHasNotTakenTheEntry() throws IOException {
    onTheWay = 200;
    bell.sent(START);
    assertThat(rings(START + MILLI)).isFalse();
    onTheWay = 0;
    assertThat(rings(START + 6 * MILLI)).isTrue();
  }

  @Test
  void ringsTwentyTimesASecondUnderLoad() throws IOException {
    int rings = 0;
    for (long now = START; now - START < 1000 * MILLI; now += MILLI) {
      bell.sent(now);
      rings += rings(now) ? 1 : 0;
    }
    assertThat(rings).isBetween(15, 21);
  }

  @Test
  void givesUpWhenTheDirectoryIsGone() throws IOException {
    bell.sent(START);
    Files.delete(directory);
    bell.ringWhenDue(START + MILLI);
    bell.sent(START + MILLI);
    assertThat(bell.nanosUntilDue(START + 2 * MILLI)).isEqualTo(Long.MAX_VALUE);
  }

  private boolean rings(long now) throws IOException {
    bell.ringWhenDue(now);
    boolean rang = !Files.getLastModifiedTime(directory).equals(QUIET);
    Files.setLastModifiedTime(directory, QUIET);
    return rang;
  }
}
