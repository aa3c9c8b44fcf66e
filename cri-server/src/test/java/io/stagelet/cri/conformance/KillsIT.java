package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Pods come and go while the server is killed again and again, at random. With {@code
 * -Dkills.pods=200 -Dkills.kills=50} it is what a release is judged by.
 */
class KillsIT extends RestartingSuite {
  private static final int PODS = Integer.getInteger("kills.pods", 40);
  private static final int KILLS = Integer.getInteger("kills.kills", 10);
  private static final int CALLERS = 5;

  KillsIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  @Timeout(600)
  void nothingIsLeftOfPodsThatLivedThroughKills() throws InterruptedException {
    node().pulled(images().busybox());
    Leftovers before = node().runtime().leftovers();
    try (PodWork work = new PodWork(pods(), CALLERS, PODS)) {
      for (int i = 0; i < KILLS; i++) {
        work.awaitEnded(i * (PODS - CALLERS) / KILLS);
        Thread.sleep(ThreadLocalRandom.current().nextInt(200)); // anywhere in what is under way
        server().kill();
        startAgain();
      }
      work.finish();
    }

    assertThat(pods().known()).isEmpty();
    nothingMoreThan(before);
  }
}
