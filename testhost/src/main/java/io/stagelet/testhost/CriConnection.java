package io.stagelet.testhost;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import io.stagelet.cri.v1.ImageServiceGrpc;
import io.stagelet.cri.v1.ImageServiceGrpc.ImageServiceBlockingStub;
import io.stagelet.cri.v1.RuntimeServiceGrpc;
import io.stagelet.cri.v1.RuntimeServiceGrpc.RuntimeServiceBlockingStub;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A connection to a runtime's CRI socket, set up as kubelet's. May be used from any thread. */
public final class CriConnection implements AutoCloseable {
  private static final Duration LONGEST_CALL = Duration.ofMinutes(4);
  private static final int LARGEST_REPLY = 16 << 20;

  private final EventLoopGroup eventLoop;
  private final ManagedChannel channel;

  /** Connects when the first call is made. */
  public CriConnection(Path socket) {
    eventLoop = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    channel =
        NettyChannelBuilder.forAddress(new DomainSocketAddress(socket.toString()))
            .eventLoopGroup(eventLoop)
            .channelType(EpollDomainSocketChannel.class)
            .overrideAuthority("localhost")
            .usePlaintext()
            .maxInboundMessageSize(LARGEST_REPLY)
            .build();
  }

  /** The runtime's service; each call made on it from now on has four minutes. */
  public RuntimeServiceBlockingStub runtime() {
    return RuntimeServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(LONGEST_CALL.toSeconds(), TimeUnit.SECONDS);
  }

  /** The image service; each call made on it from now on has four minutes. */
  public ImageServiceBlockingStub images() {
    return ImageServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(LONGEST_CALL.toSeconds(), TimeUnit.SECONDS);
  }

  @Override
  public void close() {
    channel.shutdownNow();
    eventLoop.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
  }
}
