package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Ports of this machine, forwarded in every way that clients know: as in a host-network pod. */
@Timeout(120)
final class PortForwardTest {
  private static final String SPDY = "portforward.k8s.io";

  private final LocalStreams streams = new LocalStreams();

  @AfterEach
  void close() {
    streams.close();
  }

  /** What a pod does with a connection. */
  @FunctionalInterface
  private interface Talk {
    void with(InputStream in, OutputStream out) throws IOException;
  }

  /** Listens where only the pod's loopback leads; each connection is talked with. */
  private static ServerSocket listener(Talk talk) throws IOException {
    ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread.startVirtualThread(() -> {
      try {
        while (true) {
          Socket socket = listener.accept();
          Thread.startVirtualThread(() -> talk(socket, talk));
        }
      } catch (IOException closed) {
        // the test is over
        return;
      }
    });
    return listener;
  }

  private static void talk(Socket socket, Talk talk) {
    try (socket) {
      talk.with(socket.getInputStream(), socket.getOutputStream());
    } catch (IOException closed) {
      // the test says what it misses
      return;
    }
  }

  private static void echo(InputStream in, OutputStream out) throws IOException {
    in.transferTo(out);
  }

  /** Answers only when all has come: the last byte first. */
  private static void reverse(InputStream in, OutputStream out) throws IOException {
    byte[] all = in.readAllBytes();
    byte[] reversed = new byte[all.length];
    for (int i = 0; i < all.length; i++) {
      reversed[i] = all[all.length - 1 - i];
    }
    out.write(reversed);
  }

  private static Map<String, String> headers(String type, int port, int request) {
    return Map.of(
        "streamtype", type, "port", String.valueOf(port), "requestid", String.valueOf(request));
  }

  private static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(strings = {SPDY, WebSocketTunnel.PROTOCOL})
  void aForwardedConnectionKeepsItsHalfCloses(String protocol) throws IOException {
    byte[] sent = random(2_000_003);
    try (ServerSocket listener = listener(PortForwardTest::reverse);
        SpdyClient client =
            new SpdyClient(streams.forwarded(listener.getLocalPort()), protocol, false)) {
      SpdyClient.Stream error = client.open(headers("error", listener.getLocalPort(), 0));
      error.end();
      SpdyClient.Stream data = client.open(headers("data", listener.getLocalPort(), 0));
      data.write(sent);
      data.end();
      byte[] answer = SpdyClient.get(data.all());
      assertThat(answer).hasSize(sent.length);
      assertThat(answer[0]).isEqualTo(sent[sent.length - 1]);
      assertThat(SpdyClient.get(error.all())).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {SPDY, WebSocketTunnel.PROTOCOL})
  void aPortWhereNobodyListensIsNamed(String protocol) throws IOException {
    int port;
    try (ServerSocket once = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = once.getLocalPort();
    }
    try (SpdyClient client = new SpdyClient(streams.forwarded(port), protocol, false)) {
      SpdyClient.Stream error = client.open(headers("error", port, 7));
      SpdyClient.Stream data = client.open(headers("data", port, 7));
      assertThat(new String(SpdyClient.get(error.all()), StandardCharsets.UTF_8))
          .contains("port " + port, "pod n/p");
      assertThat(SpdyClient.get(data.all())).isEmpty();
    }
  }

  /** Go's client cannot read a reply without any. */
  @Test
  void repliesHaveHeaders() throws IOException {
    try (ServerSocket listener = listener(PortForwardTest::echo);
        SpdyClient client =
            new SpdyClient(streams.forwarded(listener.getLocalPort()), SPDY, false)) {
      assertThat(client.open(headers("error", listener.getLocalPort(), 0)).repliedWithHeaders())
          .isTrue();
    }
  }

  @Test
  void aPortThatTheTokenDoesNotNameIsRefused() throws IOException {
    try (ServerSocket listener = listener(PortForwardTest::echo);
        SpdyClient client =
            new SpdyClient(streams.forwarded(listener.getLocalPort() ^ 1), SPDY, false)) {
      assertThatThrownBy(() -> client.open(headers("error", listener.getLocalPort(), 0)))
          .hasMessageContaining("reset");
    }
  }

  @RepeatedTest(20)
  void whatAPodSaysBeforeItResetsAConnectionArrives() throws IOException {
    byte[] answer = random(50_000);
    try (ServerSocket listener =
            listener((in, out) -> {
              // closed with unread input, which is a reset
              if (in.read() >= 0) {
                out.write(answer);
              }
            });
        SpdyClient client =
            new SpdyClient(streams.forwarded(listener.getLocalPort()), SPDY, false)) {
      SpdyClient.Stream error = client.open(headers("error", listener.getLocalPort(), 0));
      SpdyClient.Stream data = client.open(headers("data", listener.getLocalPort(), 0));
      data.write(random(500_000));
      assertThat(SpdyClient.get(data.all())).isEqualTo(answer);
      data.end();
      assertThat(SpdyClient.get(error.all())).as("a failure would end all others too").isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "v4.channel.k8s.io",
        "v4.base64.channel.k8s.io",
        "channel.k8s.io",
        "base64.channel.k8s.io"
      })
  void theOlderChannelsHaveTwoForEachPortAndBeginWithIt(String protocol) throws IOException {
    byte[] sent = random(300_001);
    try (ServerSocket first = listener(PortForwardTest::echo);
        ServerSocket second = listener(PortForwardTest::echo);
        ChannelSocket client =
            new ChannelSocket(
                protocol,
                streams.forwarded(first.getLocalPort(), second.getLocalPort()).toString())) {
      client.send(2, sent);
      client.send(0, new byte[] {1, 2, 3});
      awaitBytes(client, 0, concatenated(port(first), new byte[] {1, 2, 3}));
      awaitBytes(client, 1, port(first));
      awaitBytes(client, 2, concatenated(port(second), sent));
      awaitBytes(client, 3, port(second));
    }
  }

  @Test
  void theOlderChannelsSayWhatWentWrongAndClose() throws IOException {
    int port;
    try (ServerSocket once = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = once.getLocalPort();
    }
    try (ChannelSocket client =
        new ChannelSocket("v4.channel.k8s.io", streams.forwarded(port).toString())) {
      assertThat(SpdyClient.get(client.closed())).isTrue();
      assertThat(new String(client.soFar(1), StandardCharsets.ISO_8859_1))
          .contains("port " + port, "pod n/p");
    }
  }

  @Test
  void theOlderChannelsAreRefusedWhenTheRequestNamesNoPort() {
    String url = streams.forwarded().toString();
    assertThatThrownBy(() -> new ChannelSocket("v4.channel.k8s.io", url))
        .hasStackTraceContaining("WebSocketHandshakeException");
  }

  private static void awaitBytes(ChannelSocket client, int channel, byte[] expected) {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> client.soFar(channel).length >= expected.length);
    assertThat(client.soFar(channel)).isEqualTo(expected);
  }

  private static byte[] port(ServerSocket listener) {
    int port = listener.getLocalPort();
    return new byte[] {(byte) port, (byte) (port >> 8)};
  }

  private static byte[] concatenated(byte[] first, byte[] second) {
    byte[] both = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, both, first.length, second.length);
    return both;
  }
}
