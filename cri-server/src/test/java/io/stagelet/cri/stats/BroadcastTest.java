package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What happens is told to everyone who listens. */
@Timeout(30)
class BroadcastTest {
  private final Broadcast<Integer> broadcast = new Broadcast<>(3);

  @Test
  void everyoneHearsAllInOrder() throws InterruptedException {
    Broadcast<Integer>.Subscription one = broadcast.subscribe();
    Broadcast<Integer>.Subscription other = broadcast.subscribe();

    broadcast.tell(1);
    broadcast.tell(2);

    assertThat(one.next()).contains(1);
    assertThat(one.next()).contains(2);
    assertThat(other.next()).contains(1);
    assertThat(other.next()).contains(2);
  }

  @Test
  void whoFallsBehindIsCutOffAndToldAndNobodyElse() throws InterruptedException {
    Broadcast<Integer>.Subscription slow = broadcast.subscribe();
    Broadcast<Integer>.Subscription quick = broadcast.subscribe();

    for (int i : IntStream.range(0, 5).toArray()) {
      broadcast.tell(i);
      assertThat(quick.next()).contains(i);
    }

    for (int i : IntStream.range(0, 3).toArray()) {
      assertThat(slow.next()).contains(i);
    }
    assertThat(slow.next()).isEmpty();
    assertThat(slow.fellBehind()).isTrue();
    assertThat(quick.fellBehind()).isFalse();
    assertThat(broadcast.subscribers()).isEqualTo(1);
  }

  @Test
  void theEndIsTold() throws InterruptedException {
    Broadcast<Integer>.Subscription one = broadcast.subscribe();

    broadcast.close();

    assertThat(one.next()).isEmpty();
    assertThat(one.fellBehind()).isFalse();
    assertThat(broadcast.subscribers()).isZero();
  }
}
