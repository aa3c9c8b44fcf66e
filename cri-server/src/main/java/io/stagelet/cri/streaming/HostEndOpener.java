package io.stagelet.cri.streaming;

import io.netty.channel.IoEventLoop;

/** Makes what a client talks to, on the loop of the client's session. */
@FunctionalInterface
public interface HostEndOpener {
  /** A new one, not started yet; must not block. */
  HostEnd open(IoEventLoop loop);
}
