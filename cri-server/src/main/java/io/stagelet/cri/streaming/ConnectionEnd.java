package io.stagelet.cri.streaming;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.IoEventLoop;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.util.AttributeKey;
import io.stagelet.journal.Story;
import io.stagelet.journal.StoryEvent;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The last handler of a streaming connection, which the session behind it speaks through: what does
 * not depend on the protocol. Belongs to the loop of its channel.
 */
abstract class ConnectionEnd extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = LoggerFactory.getLogger(ConnectionEnd.class);

  /** The journal fields of the call that asked for what the connection carries. */
  static final AttributeKey<Map<String, String>> ABOUT = AttributeKey.valueOf("stagelet-about");

  /** With so many bytes received and not used up the connection is not read. */
  static final int MOST_UNCONSUMED = 1 << 20;

  /** A client that has been told all has so long to close the connection. */
  private static final long GOODBYE_SECONDS = 5;

  private @Nullable ChannelHandlerContext context;

  /** The connection can be used; called once and first. */
  abstract void began();

  /** The client may take output again. */
  abstract void takesOutput();

  /** The connection is gone; called once and last. */
  abstract void gone();

  /** Where it is in its channel's pipeline. */
  final ChannelHandlerContext context() {
    if (context == null) {
      throw new IllegalStateException("not in a pipeline");
    }
    return context;
  }

  final IoEventLoop loop() {
    return (IoEventLoop) context().channel().eventLoop();
  }

  /** Schedules something on the loop. */
  final void later(Runnable work, long milliseconds) {
    var _ = context().executor().schedule(work, milliseconds, TimeUnit.MILLISECONDS);
  }

  /** Reads the connection from now on, or reads it no more. */
  final void read(boolean wanted) {
    if (context().channel().config().isAutoRead() != wanted) {
      context().channel().config().setAutoRead(wanted);
    }
  }

  final void close() {
    var _ = context().close();
  }

  /** Closes the connection, and tells the journal why. */
  final void cutOff(String why) {
    Map<String, String> about = context().channel().attr(ABOUT).get();
    Story.about(
        about == null ? Map.of() : about, () -> StoryEvent.STREAM_CUT_OFF.on(LOG).log("{}", why));
    close();
  }

  /** The client has been told all and closes the connection; else it is closed a little later. */
  final void closeLater() {
    later(this::close, TimeUnit.SECONDS.toMillis(GOODBYE_SECONDS));
  }

  @Override
  public final void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
    began();
  }

  @Override
  public final void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (ctx.channel().isWritable()) {
      takesOutput();
    }
    ctx.fireChannelWritabilityChanged();
  }

  @Override
  public final void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof IdleStateEvent) {
      cutOff("the client's connection was idle for too long, and is closed");
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public final void channelInactive(ChannelHandlerContext ctx) {
    gone();
    ctx.fireChannelInactive();
  }

  @Override
  public final void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.debug("a streaming connection failed", cause);
    close();
  }
}
