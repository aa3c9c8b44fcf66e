package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ChannelProtocolTest {
  private static final CommandClient.Wish ALL = new CommandClient.Wish(true, true, true, false);

  private static ChannelProtocol named(String... names) {
    return ChannelProtocol.choose(List.of(names)).orElseThrow();
  }

  @Test
  void theFirstOfTheClientsThatIsKnownIsChosen() {
    assertThat(named("v9.channel.k8s.io", "v4.channel.k8s.io", "v5.channel.k8s.io").name())
        .isEqualTo("v4.channel.k8s.io");
    assertThat(ChannelProtocol.choose(List.of("v9.channel.k8s.io"))).isEmpty();
    assertThat(named().version()).as("a client that names none").isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "v5.channel.k8s.io",
        "v4.channel.k8s.io",
        "v4.base64.channel.k8s.io",
        "channel.k8s.io",
        "base64.channel.k8s.io"
      })
  void aMessageIsReadAsItWasWritten(String name) {
    ChannelProtocol protocol = named(name);
    byte[] sent = new byte[10_001];
    new Random(5).nextBytes(sent);
    ByteBuf content = Unpooled.copiedBuffer(sent);

    WebSocketFrame frame = protocol.frame(3, content);
    ChannelProtocol.Message read = protocol.read(frame).orElseThrow();

    assertThat(frame)
        .isInstanceOf(
            name.contains("base64") ? TextWebSocketFrame.class : BinaryWebSocketFrame.class);
    assertThat(read.channel()).isEqualTo(3);
    assertThat(ByteBufUtil.getBytes(read.content())).isEqualTo(sent);
    read.content().release();
    frame.release();
    assertThat(content.refCnt()).isZero();
  }

  @Test
  void inBase64AChannelIsADigit() {
    assertThat(
            named("v4.base64.channel.k8s.io")
                .frame(2, Unpooled.copiedBuffer("hello", StandardCharsets.UTF_8))
                .content()
                .toString(StandardCharsets.US_ASCII))
        .isEqualTo("2aGVsbG8=");
  }

  @Test
  void whatIsNotBase64IsRefused() {
    assertThatThrownBy(() ->
            named("base64.channel.k8s.io").read(new TextWebSocketFrame("0not base64: \u0001")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anEmptyMessageNamesNoChannel() {
    assertThat(named("v5.channel.k8s.io").read(new BinaryWebSocketFrame())).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"channel.k8s.io", "base64.channel.k8s.io"})
  void theFirstVersionsTellTheEndInWords(String protocol) {
    try (LocalStreams streams = new LocalStreams();
        ChannelSocket client =
            new ChannelSocket(protocol, streams.url("read line; echo got $line; exit 3", ALL))) {
      client.send(0, "it\n".getBytes(StandardCharsets.UTF_8));
      assertThat(new String(SpdyClient.get(client.error()), StandardCharsets.UTF_8))
          .isEqualTo("command terminated with non-zero exit code: 3");
      assertThat(SpdyClient.get(client.closed())).isTrue();
      assertThat(new String(client.soFar(1), StandardCharsets.UTF_8)).isEqualTo("got it\n");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"channel.k8s.io", "base64.channel.k8s.io"})
  void theFirstVersionsSayNothingOfASuccess(String protocol) {
    try (LocalStreams streams = new LocalStreams();
        ChannelSocket client = new ChannelSocket(protocol, streams.url("echo done", ALL))) {
      assertThat(SpdyClient.get(client.closed())).isTrue();
      assertThat(client.soFar(3)).isEmpty();
      assertThat(new String(client.soFar(1), StandardCharsets.UTF_8)).isEqualTo("done\n");
    }
  }
}
