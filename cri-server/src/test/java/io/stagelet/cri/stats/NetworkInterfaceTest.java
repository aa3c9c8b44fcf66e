package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The counters of network interfaces. */
class NetworkInterfaceTest {
  @Test
  void everyInterfaceButTheLoopbackIsRead() {
    String text =
        """
        Inter-|   Receive                                                |  Transmit
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
            lo:     900       9    0    0    0     0          0         0      900       9    0    0    0     0       0          0
          eth0:  123456     789    1    2    0     0          0         0   654321     987    3    4    0     0       0          0
        """;

    assertThat(NetworkInterface.parse(text))
        .containsExactly(
            new NetworkInterface(
                "eth0",
                new NetworkInterface.Direction(123456, 789, 1, 2),
                new NetworkInterface.Direction(654321, 987, 3, 4)));
  }

  @Test
  void aNamespaceThatIsGoneHasNone() {
    assertThat(NetworkInterface.inside(List.of(Path.of("/nowhere/at/all")), new KernelFiles()))
        .isEmpty();
  }
}
