package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.journal.DescriptorKeeper;
import io.stagelet.journal.OutputTap;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Several clients at one container, whose output comes from the test. */
@Timeout(120)
final class AttachTest {
  private static final CommandClient.Wish OUTPUT =
      new CommandClient.Wish(false, true, false, false);
  private static final int CHUNK = 64 << 10;

  /** More than the server and both sockets keep for a client that does not read. */
  private static final int MUCH = 64 << 20;

  private final LocalStreams streams = new LocalStreams();
  private final List<OutputTap> taps = new CopyOnWriteArrayList<>();

  @AfterEach
  void close() {
    streams.close();
  }

  private String url() {
    return streams.url(
        "attach",
        OUTPUT,
        loop ->
            new ContainerEnd(
                loop,
                streams.server().blocking(),
                tap -> {
                  taps.add(tap);
                  return () -> taps.remove(tap);
                },
                new ContainerInputs(new Nowhere()),
                new ContainerEnd.Wish("c", false, true, false, false, false)));
  }

  private static final class Nowhere implements DescriptorKeeper {
    @Override
    public void keep(String name, int fd) {}

    @Override
    public void forget(String name) {}
  }

  private SpdyClient attached() {
    return new SpdyClient(URI.create(url()), "v4.channel.k8s.io", false);
  }

  private static SpdyClient.Stream stream(SpdyClient client, String type) {
    return client.open(Map.of("streamtype", type));
  }

  @Test
  void aSlowClientIsDetachedAndSlowsNobody() {
    try (SpdyClient slow = attached();
        SpdyClient fast = attached()) {
      SpdyClient.Stream complaint = stream(slow, "error");
      SpdyClient.Stream partly = stream(slow, "stdout");
      await().until(() -> taps.size() == 1);
      SpdyClient.Stream status = stream(fast, "error");
      SpdyClient.Stream all = stream(fast, "stdout");
      await().until(() -> taps.size() == 2);
      OutputTap slowTap = taps.getFirst();
      slow.reads(false);

      int sent = 0;
      for (int count = 0; sent < MUCH; count++) {
        byte[] bytes = new byte[CHUNK];
        java.util.Arrays.fill(bytes, (byte) count);
        taps.forEach(tap -> tap.output(false, ByteBuffer.wrap(bytes)));
        sent += CHUNK;
        int written = sent;
        // a container that is faster than the faster client too would have it detached as well
        await()
            .pollInterval(Duration.ofMillis(1))
            .atMost(Duration.ofSeconds(30))
            .until(() -> all.received() > written - (1 << 20));
      }
      assertThat(taps).as("who is detached is told nothing more").doesNotContain(slowTap);
      taps.forEach(OutputTap::ended);

      assertThat(new String(SpdyClient.get(status.all()), StandardCharsets.UTF_8))
          .contains("Success");
      assertThat(SpdyClient.get(all.all())).hasSize(MUCH);
      slow.reads(true);
      assertThat(new String(SpdyClient.get(complaint.all()), StandardCharsets.UTF_8))
          .contains("is detached");
      assertThat(SpdyClient.get(partly.all()).length).isLessThan(MUCH);
    }
    await().until(taps::isEmpty);
  }
}
