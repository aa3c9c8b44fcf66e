package io.stagelet.cri;

import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.unix.PeerCredentials;
import io.stagelet.journal.StoryEvent;
import java.io.IOException;
import java.net.SocketAddress;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands before the channel of the listening socket. It lets in only root, the server's own user,
 * and the group that the socket belongs to, by the credentials that the kernel has of the peer:
 * whoever speaks CRI is root on this machine. And it leaves a socket that systemd has bound already
 * as it is.
 */
final class ServerSocketHandler extends ChannelDuplexHandler {
  private static final Logger LOG = LoggerFactory.getLogger(ServerSocketHandler.class);

  private final boolean bound;
  private final PeerRule rule;

  /**
   * @param bound whether the socket listens already
   */
  ServerSocketHandler(boolean bound, PeerRule rule) {
    this.bound = bound;
    this.rule = rule;
  }

  /** Who may speak. */
  @FunctionalInterface
  interface PeerRule {
    /** Whether a peer may, by its user and its groups. */
    boolean allows(int user, int[] groups);

    /** Root and one user, and whoever has a group. */
    static PeerRule of(int own, int group) {
      return (user, groups) ->
          user == 0 || user == own || Arrays.stream(groups).anyMatch(one -> one == group);
    }
  }

  @Override
  public void bind(ChannelHandlerContext context, SocketAddress address, ChannelPromise promise)
      throws Exception {
    if (bound) {
      promise.setSuccess();
    } else {
      super.bind(context, address, promise);
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
    if (message instanceof EpollDomainSocketChannel peer && !mayEnter(peer)) {
      peer.unsafe().closeForcibly();
      return;
    }
    super.channelRead(context, message);
  }

  private boolean mayEnter(EpollDomainSocketChannel peer) {
    try {
      PeerCredentials credentials = peer.peerCredentials();
      if (rule.allows(credentials.uid(), credentials.gids())) {
        return true;
      }
      StoryEvent.CALLER_REFUSED
          .on(LOG)
          .log(
              "a process of user {} (pid {}) was not let in: only root and the socket's group may speak CRI",
              credentials.uid(),
              credentials.pid());
      return false;
    } catch (IOException gone) {
      return false;
    }
  }
}
