package io.stagelet.cri.streaming;

import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.util.ReferenceCountUtil;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What all WebSocket sessions have in common; belongs to the loop of its channel. */
abstract class WebSocketEnd extends ConnectionEnd {
  private static final Logger LOG = LoggerFactory.getLogger(WebSocketEnd.class);

  private long unconsumed;
  private boolean leaving;
  private boolean gone;

  /** A message, which stays the caller's. */
  abstract void message(WebSocketFrame frame);

  /** The session's connection is gone; called once. */
  abstract void clientGone();

  @Override
  final void gone() {
    gone = true;
    clientGone();
  }

  boolean writable() {
    return gone || context().channel().isWritable();
  }

  void send(WebSocketFrame frame) {
    if (gone || leaving) {
      frame.release();
    } else {
      var _ = context().writeAndFlush(frame);
    }
  }

  void received(int bytes) {
    unconsumed += bytes;
    readOrNot();
  }

  void consumed(int bytes) {
    unconsumed -= bytes;
    readOrNot();
  }

  private void readOrNot() {
    read(leaving || unconsumed < MOST_UNCONSUMED);
  }

  /** Says goodbye; the client closes the connection, or it is closed a little later. */
  void leave() {
    if (leaving || gone) {
      return;
    }
    var closing =
        context().writeAndFlush(new CloseWebSocketFrame(WebSocketCloseStatus.NORMAL_CLOSURE));
    leaving = true;
    readOrNot();
    closing.addListener(_ -> closeLater());
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    try {
      switch (message) {
        case PingWebSocketFrame ping -> {
          var _ = ctx.writeAndFlush(new PongWebSocketFrame(ping.content().retain()));
        }
        case CloseWebSocketFrame close -> {
          if (leaving) {
            var _ = ctx.close();
          } else {
            leaving = true;
            ctx.writeAndFlush(close.retain()).addListener(ChannelFutureListener.CLOSE);
          }
        }
        case PongWebSocketFrame _ -> LOG.trace("a pong");
        case WebSocketFrame frame -> {
          if (!leaving) {
            message(frame);
          }
        }
        default -> LOG.debug("not a WebSocket frame: {}", message);
      }
    } finally {
      ReferenceCountUtil.release(message);
    }
  }
}
