package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.ConfinedTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Writable layers are measured behind the caller's back. */
class WritableLayersTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  @TempDir private Path upper;

  @Test
  void theFirstMeasurementIsWaitedFor() throws IOException {
    Files.write(upper.resolve("file"), new byte[100_000]);
    try (WritableLayers layers = new WritableLayers(Clock.systemUTC())) {
      WritableLayers.Room room = layers.room("id", upper, LONG).orElseThrow();

      assertThat(room.bytes()).isGreaterThanOrEqualTo(100_000);
      assertThat(room.inodes()).isEqualTo(2);
    }
  }

  @Test
  void aWalkThatTakesLongHoldsNobody() {
    CountDownLatch slow = new CountDownLatch(1);
    try (WritableLayers layers =
        new WritableLayers(
            _ -> Optional.empty(),
            _ -> {
              await().until(() -> slow.getCount() == 0);
              return new ConfinedTree.Room(1, 1);
            },
            Clock.systemUTC())) {
      assertThat(layers.room("id", upper, Duration.ZERO)).isEmpty();
      assertThat(layers.room("id", upper, Duration.ofNanos(-5))).isEmpty();
      slow.countDown();
      assertThat(layers.room("id", upper, LONG)).isPresent();
    }
  }

  @Test
  void aFreshResultIsGivenAgainAndAnOldOneIsRenewedForTheNext() {
    AtomicInteger walks = new AtomicInteger();
    Instant[] now = {Instant.parse("2026-01-02T03:04:05Z")};
    Clock clock =
        new Clock() {
          @Override
          public Instant instant() {
            return now[0];
          }

          @Override
          public java.time.ZoneId getZone() {
            return ZoneOffset.UTC;
          }

          @Override
          public Clock withZone(java.time.ZoneId zone) {
            return this;
          }
        };
    try (WritableLayers layers =
        new WritableLayers(
            _ -> Optional.empty(), _ -> new ConfinedTree.Room(walks.incrementAndGet(), 1), clock)) {
      assertThat(layers.room("id", upper, LONG).orElseThrow().bytes()).isEqualTo(1);
      await().until(() -> layers.room("id", upper, LONG).orElseThrow().bytes() == 1);
      assertThat(walks).hasValue(1);

      now[0] = now[0].plusSeconds(11);

      await()
          .untilAsserted(
              () -> assertThat(layers.room("id", upper, LONG).orElseThrow().bytes()).isEqualTo(2));
    }
  }

  @Test
  void whatTheFilesystemCountsIsNotWalkedAndAlwaysNew() {
    AtomicInteger asked = new AtomicInteger();
    try (WritableLayers layers =
        new WritableLayers(
            _ -> Optional.of(new ConfinedTree.Room(asked.incrementAndGet(), 7)),
            _ -> {
              throw new AssertionError("walked");
            },
            Clock.systemUTC())) {
      assertThat(layers.room("id", upper, Duration.ZERO).orElseThrow().bytes()).isEqualTo(1);
      assertThat(layers.room("id", upper, Duration.ZERO).orElseThrow().bytes()).isEqualTo(2);
      assertThat(layers.room("id", upper, Duration.ZERO).orElseThrow().inodes()).isEqualTo(7);
    }
  }

  @Test
  void aLayerThatIsGoneIsNotMeasured() {
    try (WritableLayers layers = new WritableLayers(Clock.systemUTC())) {
      assertThat(layers.room("id", upper.resolve("gone"), Duration.ofMillis(200))).isEmpty();
    }
  }
}
