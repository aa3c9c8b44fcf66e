package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.base64.Base64;
import io.netty.handler.codec.base64.Base64Dialect;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.util.List;
import java.util.Optional;

/**
 * A WebSocket subprotocol of Kubernetes that carries several channels: the first byte of each
 * message says which one.
 *
 * @param name in {@code Sec-WebSocket-Protocol}; empty for a client that names none
 * @param version 1, 4, or 5, which can close a channel
 * @param base64 whether messages are text: a digit for the channel, then base64
 */
record ChannelProtocol(String name, int version, boolean base64) {
  /** A channel's message. */
  record Message(int channel, ByteBuf content) {}

  private static final List<ChannelProtocol> ALL =
      List.of(
          new ChannelProtocol("v5.channel.k8s.io", 5, false),
          new ChannelProtocol("v4.channel.k8s.io", 4, false),
          new ChannelProtocol("v4.base64.channel.k8s.io", 4, true),
          new ChannelProtocol("channel.k8s.io", 1, false),
          new ChannelProtocol("base64.channel.k8s.io", 1, true));

  /** For clients that name no protocol. */
  private static final ChannelProtocol UNNAMED = new ChannelProtocol("", 1, false);

  /** The first of the client's that is known. */
  static Optional<ChannelProtocol> choose(List<String> offered) {
    if (offered.isEmpty()) {
      return Optional.of(UNNAMED);
    }
    return offered.stream()
        .flatMap(name -> ALL.stream().filter(protocol -> protocol.name().equals(name)))
        .findFirst();
  }

  /** A frame with a message; takes the buffer. */
  WebSocketFrame frame(int channel, ByteBuf content) {
    if (!base64) {
      return new BinaryWebSocketFrame(
          Unpooled.wrappedBuffer(Unpooled.buffer(1).writeByte(channel), content));
    }
    ByteBuf text = Unpooled.buffer().writeByte('0' + channel);
    ByteBuf encoded = Base64.encode(content, false, Base64Dialect.STANDARD);
    text.writeBytes(encoded);
    encoded.release();
    content.release();
    return new TextWebSocketFrame(text);
  }

  /**
   * The message in a frame, which stays the caller's; empty when it names no channel.
   *
   * @throws IllegalArgumentException when it is not base64 and should be
   */
  Optional<Message> read(WebSocketFrame frame) {
    ByteBuf bytes = frame.content();
    if (!bytes.isReadable()) {
      return Optional.empty();
    }
    if (!base64) {
      int channel = bytes.readUnsignedByte();
      return Optional.of(new Message(channel, bytes.readRetainedSlice(bytes.readableBytes())));
    }
    int channel = bytes.readUnsignedByte() - '0';
    return Optional.of(new Message(channel, Base64.decode(bytes, Base64Dialect.STANDARD)));
  }
}
