package io.stagelet.cri.streaming;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;

/**
 * Lets a channel be read only while it is to be read by itself. Netty's SPDY codec hands its frames
 * on in a way that its base class does not see, which then asks for more although reading was
 * stopped: all that a client sends would be taken into memory.
 */
final class ReadGate extends ChannelOutboundHandlerAdapter {
  @Override
  public void read(ChannelHandlerContext ctx) {
    if (ctx.channel().config().isAutoRead()) {
      ctx.read();
    }
  }
}
