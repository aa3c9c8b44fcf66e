package io.stagelet.cri.streaming;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameEncoder;
import io.netty.handler.codec.spdy.DefaultSpdyDataFrame;
import io.netty.handler.codec.spdy.DefaultSpdyPingFrame;
import io.netty.handler.codec.spdy.DefaultSpdySynStreamFrame;
import io.netty.handler.codec.spdy.DefaultSpdyWindowUpdateFrame;
import io.netty.handler.codec.spdy.SpdyDataFrame;
import io.netty.handler.codec.spdy.SpdyFrameCodec;
import io.netty.handler.codec.spdy.SpdyPingFrame;
import io.netty.handler.codec.spdy.SpdyRstStreamFrame;
import io.netty.handler.codec.spdy.SpdySynReplyFrame;
import io.netty.handler.codec.spdy.SpdyVersion;
import io.netty.handler.codec.spdy.SpdyWindowUpdateFrame;
import io.netty.handler.ssl.SslContext;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A SPDY/3.1 client, as simple as can be; it keeps windows, or has none, as Go's. */
public final class SpdyClient implements AutoCloseable {
  private static final int WINDOW = 64 << 10;
  private static final int PATIENCE_SECONDS = 60;

  private final MultiThreadIoEventLoopGroup loop =
      new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
  private final Map<Integer, Stream> streams = new ConcurrentHashMap<>();
  private final AtomicInteger nextId = new AtomicInteger(1);
  private final CompletableFuture<HttpResponse> answered = new CompletableFuture<>();
  private final CompletableFuture<Boolean> gone = new CompletableFuture<>();
  private final Semaphore sessionWindow = new Semaphore(WINDOW);
  private final boolean keepsWindows;
  private final boolean tunnelled;
  private final Channel channel;

  /**
   * Connects and upgrades.
   *
   * @param protocol of the streams; {@link WebSocketTunnel#PROTOCOL} goes through a WebSocket
   * @throws IllegalStateException when the server refuses
   */
  public SpdyClient(URI url, String protocol, boolean keepsWindows) {
    this(url, protocol, keepsWindows, Optional.empty());
  }

  /** The same, over TLS. */
  SpdyClient(URI url, String protocol, boolean keepsWindows, Optional<SslContext> tls) {
    this.keepsWindows = keepsWindows;
    this.tunnelled = protocol.equals(WebSocketTunnel.PROTOCOL);
    channel =
        new Bootstrap()
            .group(loop)
            .channel(NioSocketChannel.class)
            .handler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel made) {
                    tls.ifPresent(context ->
                        made.pipeline()
                            .addLast(
                                context.newHandler(made.alloc(), url.getHost(), url.getPort())));
                    made.pipeline().addLast(new HttpClientCodec()).addLast(new Upgrade());
                  }
                })
            .connect(url.getHost(), url.getPort())
            .syncUninterruptibly()
            .channel();
    DefaultFullHttpRequest request =
        new DefaultFullHttpRequest(
            HttpVersion.HTTP_1_1, tunnelled ? HttpMethod.GET : HttpMethod.POST, url.getRawPath());
    request.headers().set("Host", url.getAuthority()).set("Connection", "Upgrade");
    if (tunnelled) {
      request
          .headers()
          .set("Upgrade", "websocket")
          .set("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw==")
          .set("Sec-WebSocket-Version", "13")
          .set("Sec-WebSocket-Protocol", protocol);
    } else {
      request
          .headers()
          .set("Upgrade", "SPDY/3.1")
          .set("X-Stream-Protocol-Version", protocol)
          .set("Content-Length", "0");
    }
    channel.writeAndFlush(request).syncUninterruptibly();
    int status = get(answered).status().code();
    if (status != 101) {
      close();
      throw new IllegalStateException("refused with " + status);
    }
  }

  /** What a server answers to the upgrade. */
  public HttpResponse answer() {
    return get(answered);
  }

  /** Completes when the connection is closed. */
  public CompletableFuture<Boolean> gone() {
    return gone;
  }

  /** Reads on, or reads no more of what the server sends. */
  public void reads(boolean wanted) {
    channel.config().setAutoRead(wanted);
  }

  /** Opens a stream and waits until it is accepted. */
  public Stream open(Map<String, String> headers) {
    int id = nextId.getAndAdd(2);
    Stream stream = new Stream(id);
    streams.put(id, stream);
    DefaultSpdySynStreamFrame frame = new DefaultSpdySynStreamFrame(id, 0, (byte) 0);
    headers.forEach((name, value) -> frame.headers().set(name, value));
    channel.writeAndFlush(frame).syncUninterruptibly();
    get(stream.accepted);
    return stream;
  }

  @Override
  public void close() {
    channel.close().syncUninterruptibly();
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).syncUninterruptibly();
  }

  private Stream stream(int id) {
    Stream stream = streams.get(id);
    if (stream == null) {
      throw new IllegalStateException("the server speaks of a stream that was not opened: " + id);
    }
    return stream;
  }

  static <T> T get(CompletableFuture<T> future) {
    return future.orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
  }

  /** One stream. */
  public final class Stream {
    private final int id;
    private final CompletableFuture<Boolean> accepted = new CompletableFuture<>();
    private final CompletableFuture<byte[]> all = new CompletableFuture<>();
    private final ByteArrayOutputStream received = new ByteArrayOutputStream();
    private final Semaphore window = new Semaphore(WINDOW);
    private int unannounced;

    private Stream(int id) {
      this.id = id;
    }

    /** Whether there were headers in the reply by which it was accepted. */
    boolean repliedWithHeaders() {
      return get(accepted);
    }

    /** Sends bytes, in frames of 16 KiB. */
    public void write(byte[] bytes) {
      for (int from = 0; from < bytes.length; from += 16 << 10) {
        int count = Math.min(16 << 10, bytes.length - from);
        if (keepsWindows) {
          window.acquireUninterruptibly(count);
          sessionWindow.acquireUninterruptibly(count);
        }
        channel
            .writeAndFlush(new DefaultSpdyDataFrame(id, Unpooled.copiedBuffer(bytes, from, count)))
            .syncUninterruptibly();
      }
    }

    /** Closes this half. */
    public void end() {
      DefaultSpdyDataFrame last = new DefaultSpdyDataFrame(id);
      last.setLast(true);
      channel.writeAndFlush(last).syncUninterruptibly();
    }

    /** All that came, once the server has closed its half. */
    public CompletableFuture<byte[]> all() {
      return all;
    }

    /** What has come until now. */
    public byte[] soFar() {
      synchronized (received) {
        return received.toByteArray();
      }
    }

    /** How many bytes have come until now. */
    int received() {
      synchronized (received) {
        return received.size();
      }
    }

    private void data(ByteBuf bytes, boolean last) {
      int count = bytes.readableBytes();
      byte[] copy = new byte[count];
      bytes.readBytes(copy);
      synchronized (received) {
        received.writeBytes(copy);
      }
      if (keepsWindows) {
        if (count > 0) {
          var _ = channel.writeAndFlush(new DefaultSpdyWindowUpdateFrame(0, count));
        }
        unannounced += count;
        if (unannounced > WINDOW) {
          all.completeExceptionally(new IllegalStateException("the window was overrun"));
        }
        if (unannounced > WINDOW / 2) {
          var _ = channel.writeAndFlush(new DefaultSpdyWindowUpdateFrame(id, unannounced));
          unannounced = 0;
        }
      }
      if (last) {
        all.complete(soFar());
      }
    }
  }

  private final class Upgrade extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      if (message instanceof HttpResponse response) {
        if (response.status().code() == 101) {
          if (tunnelled) {
            ctx.pipeline()
                .addLast(new WebSocket13FrameEncoder(true))
                .addLast(new WebSocket13FrameDecoder(false, false, 1 << 20))
                .addLast(new WebSocketTunnel());
          }
          ctx.pipeline()
              .addLast(new ReadGate())
              .addLast(new SpdyFrameCodec(SpdyVersion.SPDY_3_1, 1 << 16, 1 << 14, 6, 15, 8, false))
              .addLast(new Frames());
          ctx.pipeline().remove(HttpClientCodec.class);
          ctx.pipeline().remove(this);
        }
        answered.complete(response);
      }
      ReferenceCountUtil.release(message);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      answered.completeExceptionally(new IllegalStateException("closed"));
      gone.complete(true);
    }
  }

  private final class Frames extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      try {
        switch (message) {
          case SpdyDataFrame frame ->
              stream(frame.streamId()).data(frame.content(), frame.isLast());
          case SpdySynReplyFrame frame ->
              stream(frame.streamId()).accepted.complete(!frame.headers().isEmpty());
          case SpdyRstStreamFrame frame -> {
            Stream stream = stream(frame.streamId());
            stream.accepted.completeExceptionally(new IllegalStateException("reset"));
            // Go's servers end their streams so, and their clients take it for the end
            stream.all.complete(stream.soFar());
          }
          case SpdyWindowUpdateFrame frame -> {
            int more = frame.deltaWindowSize();
            (frame.streamId() == 0 ? sessionWindow : stream(frame.streamId()).window).release(more);
          }
          case SpdyPingFrame frame -> {
            var _ = ctx.writeAndFlush(new DefaultSpdyPingFrame(frame.id()));
          }
          default -> {}
        }
      } finally {
        ReferenceCountUtil.release(message);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      streams
          .values()
          .forEach(stream -> stream.all.completeExceptionally(new IllegalStateException("closed")));
      gone.complete(true);
    }
  }
}
