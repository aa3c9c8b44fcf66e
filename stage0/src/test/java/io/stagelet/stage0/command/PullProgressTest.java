package io.stagelet.stage0.command;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.stage0.Digest;
import io.stagelet.stage0.PullEvent;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class PullProgressTest {
  private static final Digest LAYER = Digest.of("layer".getBytes(StandardCharsets.UTF_8));

  private final StringWriter written = new StringWriter();
  private final AtomicLong nanos = new AtomicLong();

  private void layerComes(PullProgress progress) {
    progress.on(new PullEvent.LayerStarted(LAYER, 3_000_000));
    for (long received : new long[] {1_000_000, 2_000_000, 3_000_000}) {
      long _ = nanos.addAndGet(Duration.ofSeconds(1).toNanos());
      progress.on(new PullEvent.LayerProgress(LAYER, received));
    }
    progress.on(new PullEvent.LayerUnpacked(LAYER));
  }

  @Test
  void aTerminalShowsABarThatGrowsAndTakesItAwayAtTheEnd() {
    try (PullProgress progress = new PullProgress(new PrintWriter(written), true, nanos::get)) {
      layerComes(progress);
    }

    String name = LAYER.hex().substring(0, 12);
    assertThat(written.toString())
        .containsSubsequence(
            name + "  [##########....................]  1.0 MB of 3.0 MB",
            "\u001b[1A",
            name + "  [####################..........]  2.0 MB of 3.0 MB",
            "\u001b[1A",
            name + "  3.0 MB  done");
    // each line that was drawn is taken away, but for what is said for good
    long drawn = written.toString().lines().filter(line -> line.contains(" of ")).count();
    assertThat(written.toString().split("\u001b\\[1A", -1)).hasSize((int) drawn + 1);
  }

  @Test
  void aFileGetsALineForEachLayerAndNoControlCharacters() {
    try (PullProgress progress = new PullProgress(new PrintWriter(written), false, nanos::get)) {
      layerComes(progress);
    }

    assertThat(written.toString())
        .isEqualTo(LAYER.hex().substring(0, 12) + "  3.0 MB  done\n")
        .doesNotContain("\u001b");
  }
}
