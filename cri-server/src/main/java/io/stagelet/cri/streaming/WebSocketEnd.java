package io.stagelet.cri.streaming;

import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.IoEventLoop;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What all WebSocket sessions have in common; belongs to the loop of its channel. */
abstract class WebSocketEnd extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = LoggerFactory.getLogger(WebSocketEnd.class);

  /** With so many bytes received and not used up the connection is not read. */
  private static final int MOST_UNCONSUMED = 1 << 20;

  private static final long GOODBYE_SECONDS = 5;

  private @Nullable ChannelHandlerContext context;
  private long unconsumed;
  private boolean leaving;
  private boolean gone;

  /** The session begins. */
  abstract void began();

  /** A message, which stays the caller's. */
  abstract void message(WebSocketFrame frame);

  /** The client may take output again. */
  abstract void takesOutput();

  /** The connection is gone; called once. */
  abstract void gone();

  IoEventLoop loop() {
    return (IoEventLoop) context().channel().eventLoop();
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
    boolean read = leaving || unconsumed < MOST_UNCONSUMED;
    if (context().channel().config().isAutoRead() != read) {
      context().channel().config().setAutoRead(read);
    }
  }

  /** Says goodbye; the client closes the connection, or it is closed a little later. */
  void leave() {
    if (leaving || gone) {
      return;
    }
    ChannelHandlerContext ctx = context();
    var closing = ctx.writeAndFlush(new CloseWebSocketFrame(WebSocketCloseStatus.NORMAL_CLOSURE));
    leaving = true;
    readOrNot();
    closing.addListener(_ -> later());
  }

  private void later() {
    ChannelHandlerContext ctx = context();
    var _ =
        ctx.executor()
            .schedule(
                () -> {
                  var _ = ctx.close();
                },
                GOODBYE_SECONDS,
                TimeUnit.SECONDS);
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
    began();
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

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (ctx.channel().isWritable()) {
      takesOutput();
    }
    ctx.fireChannelWritabilityChanged();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof IdleStateEvent) {
      LOG.info("a streaming connection was idle for too long and is closed");
      var _ = ctx.close();
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    gone = true;
    gone();
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.debug("a streaming connection failed", cause);
    var _ = ctx.close();
  }

  private ChannelHandlerContext context() {
    if (context == null) {
      throw new IllegalStateException("not in a pipeline");
    }
    return context;
  }
}
