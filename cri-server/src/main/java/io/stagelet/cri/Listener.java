package io.stagelet.cri;

import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The unix socket on which gRPC is served, a virtual thread for each call. */
final class Listener implements AutoCloseable {
  /** kubelet's client takes no more in one message either. */
  private static final int MOST_BYTES = 16 << 20;

  private static final long CLOSE_SECONDS = 5;

  private final EventLoopGroup loops =
      new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
  private final Path socket;
  private final boolean inherited;
  private final Server server;

  /**
   * Listens; a socket that an earlier server left is replaced.
   *
   * @param inherited the descriptor of a socket that systemd listens on for this service
   * @param watchers hear of each call, the last one first
   * @throws StageletException when it cannot
   */
  Listener(
      Path socket,
      OptionalInt inherited,
      List<ServerInterceptor> watchers,
      List<BindableService> services) {
    this.socket = socket;
    this.inherited = inherited.isPresent();
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(new DomainSocketAddress(socket.toFile()))
            .channelFactory(() -> channel(socket, inherited))
            .bossEventLoopGroup(loops)
            .workerEventLoopGroup(loops)
            // gRPC sets it for TCP, and Netty warns that a unix socket has no such option
            .withChildOption(ChannelOption.SO_KEEPALIVE, null)
            .maxInboundMessageSize(MOST_BYTES)
            .executor(Executors.newVirtualThreadPerTaskExecutor());
    watchers.forEach(builder::intercept);
    services.forEach(builder::addService);
    try {
      Files.createDirectories(socket.toAbsolutePath().getParent());
      if (inherited.isEmpty()) {
        Files.deleteIfExists(socket);
      }
      this.server = builder.build().start();
      if (inherited.isEmpty()) {
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-rw----"));
      }
    } catch (IOException failure) {
      var _ = loops.shutdownGracefully();
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "could not listen on %s: %s; does another server use it?"
              .formatted(socket, StageletException.reason(failure)),
          failure);
    }
  }

  private static EpollServerDomainSocketChannel channel(Path socket, OptionalInt inherited) {
    EpollServerDomainSocketChannel channel =
        inherited.isPresent()
            ? new EpollServerDomainSocketChannel(inherited.getAsInt(), true)
            : new EpollServerDomainSocketChannel();
    var _ =
        channel
            .pipeline()
            .addFirst(
                new ServerSocketHandler(
                    inherited.isPresent(),
                    (user, groups) ->
                        ServerSocketHandler.PeerRule.of(own(), group(socket))
                            .allows(user, groups)));
    return channel;
  }

  /** Asked for each peer: an administrator may give the socket to another group meanwhile. */
  private static int group(Path socket) {
    return attribute(socket, "unix:gid");
  }

  private static int own() {
    return attribute(Path.of("/proc/self"), "unix:uid");
  }

  private static int attribute(Path file, String name) {
    try {
      return (Integer) Files.getAttribute(file, name);
    } catch (IOException unknown) {
      return 0;
    }
  }

  /** Waits until it is closed. */
  void awaitEnd() throws InterruptedException {
    server.awaitTermination();
  }

  @Override
  public void close() {
    server.shutdown();
    try {
      if (!server.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        server.shutdownNow();
      }
      if (!inherited) {
        Files.deleteIfExists(socket);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not remove %s: %s".formatted(socket, StageletException.reason(failure)),
          failure);
    } finally {
      var _ = loops.shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS);
    }
  }
}
