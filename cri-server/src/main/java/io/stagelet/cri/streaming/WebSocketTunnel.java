package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.MessageToMessageCodec;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.util.List;

/** Carries a byte stream, SPDY's, in the binary messages of a WebSocket. */
final class WebSocketTunnel extends MessageToMessageCodec<WebSocketFrame, ByteBuf> {
  /** The subprotocol: port-forward of SPDY/3.1. */
  static final String PROTOCOL = "SPDY/3.1+portforward.k8s.io";

  WebSocketTunnel() {
    super(WebSocketFrame.class, ByteBuf.class);
  }

  @Override
  protected void encode(ChannelHandlerContext ctx, ByteBuf bytes, List<Object> out) {
    out.add(new BinaryWebSocketFrame(bytes.retain()));
  }

  @Override
  protected void decode(ChannelHandlerContext ctx, WebSocketFrame frame, List<Object> out) {
    switch (frame) {
      case BinaryWebSocketFrame _, ContinuationWebSocketFrame _ ->
          out.add(frame.content().retain());
      case PingWebSocketFrame _ -> {
        var _ = ctx.writeAndFlush(new PongWebSocketFrame(frame.content().retain()));
      }
      case CloseWebSocketFrame _ ->
          ctx.writeAndFlush(frame.retain()).addListener(ChannelFutureListener.CLOSE);
      default -> frame.content();
    }
  }
}
