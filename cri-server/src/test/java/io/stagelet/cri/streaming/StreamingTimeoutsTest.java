package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a client may not leave undone for too long. */
@Timeout(60)
final class StreamingTimeoutsTest {
  private static final CommandClient.Wish OUTPUTS =
      new CommandClient.Wish(false, true, true, false);
  private static final Duration LONG = Duration.ofHours(1);
  private static final Duration SHORT = Duration.ofMillis(300);

  @ParameterizedTest
  @EnumSource
  void aSessionWithoutAByteIsClosedAndItsProcessIsGone(CommandClient.Protocol protocol) {
    try (LocalStreams streams = new LocalStreams(LocalStreams.timeouts(SHORT, LONG));
        CommandClient client = streams.client(protocol, "echo $$; exec sleep 1000", OUTPUTS)) {
      String pid =
          await()
              .until(
                  () -> new String(client.soFar(1), StandardCharsets.UTF_8).strip(),
                  told -> !told.isEmpty());
      assertThatThrownBy(client::status).isNotNull();
      await().until(() -> ProcessHandle.of(Long.parseLong(pid)).isEmpty());
      await().until(() -> streams.open().get() == 0);
    }
  }

  @Test
  void aSessionThatSpeaksIsNotIdle() {
    try (LocalStreams streams =
            new LocalStreams(LocalStreams.timeouts(Duration.ofSeconds(2), LONG));
        CommandClient client =
            streams.client(
                CommandClient.Protocol.SPDY,
                "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo $i; sleep 0.2; done",
                OUTPUTS)) {
      assertThat(client.exitCode()).isZero();
    }
  }

  @Test
  void aConnectionWithoutARequestIsClosed() throws IOException {
    try (LocalStreams streams = new LocalStreams(LocalStreams.timeouts(LONG, SHORT))) {
      URI url = streams.forwarded();
      try (Socket silent = new Socket(url.getHost(), url.getPort())) {
        assertThat(silent.getInputStream().read()).isEqualTo(-1);
      }
    }
  }

  @Test
  void aCommandWhoseStreamsAreNotOpenedIsGivenUp() {
    try (LocalStreams streams = new LocalStreams(LocalStreams.timeouts(LONG, SHORT));
        SpdyClient client =
            new SpdyClient(
                URI.create(streams.url("sleep 1000", OUTPUTS)), "v4.channel.k8s.io", false)) {
      SpdyClient.Stream error = client.open(Map.of("streamtype", "error"));
      assertThat(new String(SpdyClient.get(error.all()), StandardCharsets.UTF_8))
          .contains("has not opened the streams");
      assertThat(streams.open()).as("nothing was started").hasValue(0);
    }
  }

  @Test
  void aConnectionWithOneOfItsTwoStreamsIsGivenUp() {
    try (LocalStreams streams = new LocalStreams(LocalStreams.timeouts(LONG, SHORT));
        SpdyClient client = new SpdyClient(streams.forwarded(80), "portforward.k8s.io", false)) {
      SpdyClient.Stream error =
          client.open(Map.of("streamtype", "error", "port", "80", "requestid", "1"));
      assertThat(new String(SpdyClient.get(error.all()), StandardCharsets.UTF_8))
          .contains("one of a connection's two streams");
    }
  }

  @Test
  void aTokenIsRefusedAfterAMinute() {
    AtomicReference<Instant> now = new AtomicReference<>(Instant.EPOCH);
    InstantSource source = now::get;
    try (LocalStreams streams =
        new LocalStreams(StreamingSettings.defaults(), source.withZone(ZoneOffset.UTC))) {
      URI url = URI.create(streams.url("true", OUTPUTS));
      URI later = URI.create(streams.url("true", OUTPUTS));
      now.set(now.get().plusSeconds(59));
      try (SpdyClient client = new SpdyClient(url, "v4.channel.k8s.io", false)) {
        assertThat(client.answer().status().code()).isEqualTo(101);
      }
      now.set(now.get().plusSeconds(1));
      assertThatThrownBy(() -> new SpdyClient(later, "v4.channel.k8s.io", false))
          .hasMessageContaining("404");
    }
  }
}
