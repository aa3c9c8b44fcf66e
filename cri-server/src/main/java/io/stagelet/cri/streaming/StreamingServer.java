package io.stagelet.cri.streaming;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.IoEventLoop;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.net.InetSocketAddress;
import java.nio.channels.UnresolvedAddressException;
import java.security.SecureRandom;
import java.time.Clock;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;

/** Serves exec, attach and port-forward to whoever has a token. */
public final class StreamingServer implements AutoCloseable {
  private static final int BACKLOG = 1024;
  private static final int LOW_WATER = 256 << 10;
  private static final int HIGH_WATER = 512 << 10;
  private static final long CLOSE_SECONDS = 5;

  private final Tokens tokens;
  private final String base;
  private final ExecutorService blocking = Executors.newVirtualThreadPerTaskExecutor();
  private final MultiThreadIoEventLoopGroup loops;
  private final Channel listener;

  /**
   * Listens.
   *
   * @throws StageletException when it cannot, or its certificate cannot be used
   */
  public StreamingServer(StreamingSettings settings, Clock clock, SecureRandom random) {
    this.tokens = new Tokens(clock, random);
    Optional<SslContext> tls = settings.tls().map(StreamingServer::context);
    this.loops =
        new MultiThreadIoEventLoopGroup(
            Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 4),
            new DefaultThreadFactory("streaming", true),
            EpollIoHandler.newFactory());
    boolean listening = false;
    try {
      this.listener = listen(settings, tls);
      listening = true;
    } finally {
      if (!listening) {
        close(Optional.empty());
      }
    }
    int port = ((InetSocketAddress) listener.localAddress()).getPort();
    String host =
        settings.address().contains(":") ? "[" + settings.address() + "]" : settings.address();
    this.base = "%s://%s:%d/".formatted(tls.isPresent() ? "https" : "http", host, port);
  }

  private Channel listen(StreamingSettings settings, Optional<SslContext> tls) {
    InetSocketAddress address = new InetSocketAddress(settings.address(), settings.port());
    if (address.isUnresolved() || address.getAddress().isAnyLocalAddress()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "cannot serve streams on '%s': streaming.address must be one that this machine has and kubelet can reach"
              .formatted(settings.address()));
    }
    try {
      return new ServerBootstrap()
          .group(loops)
          .channel(EpollServerSocketChannel.class)
          .option(ChannelOption.SO_BACKLOG, BACKLOG)
          .option(ChannelOption.SO_REUSEADDR, true)
          .childOption(ChannelOption.TCP_NODELAY, true)
          .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
          .childOption(
              ChannelOption.WRITE_BUFFER_WATER_MARK,
              new WriteBufferWaterMark(LOW_WATER, HIGH_WATER))
          .childHandler(
              new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                  tls.ifPresent(
                      context -> channel.pipeline().addLast(context.newHandler(channel.alloc())));
                  RequestHandler.install(channel.pipeline(), tokens, blocking, settings);
                }
              })
          .bind(address)
          .syncUninterruptibly()
          .channel();
    } catch (UnresolvedAddressException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "there is no address " + settings.address(), failure);
    } catch (RuntimeException failure) {
      throw failure;
    } catch (Exception failure) {
      // Netty throws what the system call said, undeclared
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "cannot serve streams on %s, port %d: %s"
              .formatted(settings.address(), settings.port(), StageletException.reason(failure)),
          failure);
    }
  }

  private static SslContext context(StreamingSettings.Tls tls) {
    try {
      SslContextBuilder builder =
          SslContextBuilder.forServer(tls.certificate().toFile(), tls.key().toFile());
      tls.clientAuthority()
          .ifPresent(
              authority -> builder.trustManager(authority.toFile()).clientAuth(ClientAuth.REQUIRE));
      return builder.build();
    } catch (SSLException | IllegalArgumentException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "streams cannot be served over TLS with %s and %s: %s"
              .formatted(tls.certificate(), tls.key(), StageletException.reason(failure)),
          failure);
    }
  }

  /** The URL at which a client gets what is asked for: once, and within a minute. */
  public String url(StreamRequest request) {
    return base + request.kind() + "/" + tokens.issue(request);
  }

  /** A loop, for what has no connection of its own. */
  public IoEventLoop loop() {
    return loops.next();
  }

  /** Runs what may block, each on a virtual thread. */
  public ExecutorService blocking() {
    return blocking;
  }

  @Override
  public void close() {
    close(Optional.of(listener));
  }

  private void close(Optional<Channel> open) {
    open.ifPresent(channel -> channel.close().syncUninterruptibly());
    loops.shutdownGracefully(0, CLOSE_SECONDS, TimeUnit.SECONDS).syncUninterruptibly();
    blocking.shutdown();
  }
}
