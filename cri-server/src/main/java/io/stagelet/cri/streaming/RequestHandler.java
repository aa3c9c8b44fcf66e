package io.stagelet.cri.streaming;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameEncoder;
import io.netty.handler.codec.http.websocketx.WebSocketDecoderConfig;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.spdy.SpdyFrameCodec;
import io.netty.handler.codec.spdy.SpdyVersion;
import io.netty.handler.timeout.IdleStateHandler;
import io.stagelet.journal.Story;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one HTTP request of a connection: {@code /exec/TOKEN}, {@code /attach/TOKEN} or {@code
 * /portforward/TOKEN}, which asks to go on in SPDY or WebSocket.
 */
final class RequestHandler extends SimpleChannelInboundHandler<FullHttpRequest> {
  private static final Logger LOG = LoggerFactory.getLogger(RequestHandler.class);

  private static final int LARGEST_REQUEST = 64 << 10;
  private static final int LARGEST_MESSAGE = 8 << 20;
  private static final int LARGEST_CHUNK = 64 << 10;
  private static final int LARGEST_HEADERS = 16 << 10;
  private static final String SPDY = "SPDY/3.1";
  private static final String STREAM_PROTOCOL = "X-Stream-Protocol-Version";
  private static final String ACCEPTED_PROTOCOLS = "X-Accepted-Stream-Protocol-Versions";
  private static final String PORT_PROTOCOL = "portforward.k8s.io";
  private static final List<String> COMMAND_PROTOCOLS =
      List.of("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io");

  /** Of RFC 6455. */
  private static final String WEBSOCKET_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

  private final Tokens tokens;
  private final Executor blocking;
  private final Duration creationTimeout;
  private boolean asked;

  private RequestHandler(Tokens tokens, Executor blocking, Duration creationTimeout) {
    this.tokens = tokens;
    this.blocking = blocking;
    this.creationTimeout = creationTimeout;
  }

  static void install(
      ChannelPipeline pipeline, Tokens tokens, Executor blocking, StreamingSettings settings) {
    pipeline
        .addLast(
            new IdleStateHandler(0, 0, settings.idleTimeout().toMillis(), TimeUnit.MILLISECONDS))
        .addLast(new HttpServerCodec())
        .addLast(new HttpObjectAggregator(LARGEST_REQUEST))
        .addLast(new RequestHandler(tokens, blocking, settings.creationTimeout()));
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    var _ =
        ctx.executor()
            .schedule(
                () -> {
                  if (!asked) {
                    var _ = ctx.close();
                  }
                },
                creationTimeout.toMillis(),
                TimeUnit.MILLISECONDS);
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
    asked = true;
    String path = request.uri().split("\\?", 2)[0];
    String[] parts = path.split("/", -1);
    Optional<Tokens.Asked> wanted =
        parts.length == 3 ? tokens.redeem(parts[1], parts[2]) : Optional.empty();
    if (wanted.isEmpty()) {
      refuse(
          ctx,
          HttpResponseStatus.NOT_FOUND,
          "there is nothing here: a token can be used once, and within a minute");
      return;
    }
    ctx.channel().attr(ConnectionEnd.ABOUT).set(wanted.get().about());
    StreamRequest asks = wanted.get().request();
    String upgrade = request.headers().get(HttpHeaderNames.UPGRADE, "");
    if (upgrade.equalsIgnoreCase("websocket")) {
      webSocket(ctx, request, asks);
    } else if (upgrade.equalsIgnoreCase(SPDY)) {
      spdy(ctx, request, asks);
    } else {
      refuse(
          ctx,
          HttpResponseStatus.BAD_REQUEST,
          "the request must ask for an upgrade to %s or to websocket".formatted(SPDY));
    }
  }

  private void spdy(ChannelHandlerContext ctx, FullHttpRequest request, StreamRequest wanted) {
    List<String> offered = listed(request, STREAM_PROTOCOL);
    List<String> known =
        switch (wanted) {
          case StreamRequest.CommandSession _ -> COMMAND_PROTOCOLS;
          case StreamRequest.PortSession _ -> List.of(PORT_PROTOCOL);
        };
    Optional<String> chosen = offered.stream().filter(known::contains).findFirst();
    if (chosen.isEmpty() && !offered.isEmpty()) {
      FullHttpResponse refusal =
          response(
              HttpResponseStatus.FORBIDDEN,
              "none of the stream protocols %s is known here".formatted(offered));
      known.forEach(protocol -> refusal.headers().add(ACCEPTED_PROTOCOLS, protocol));
      ctx.writeAndFlush(refusal).addListener(ChannelFutureListener.CLOSE);
      return;
    }
    FullHttpResponse switching = switching(SPDY);
    chosen.ifPresent(protocol -> switching.headers().set(STREAM_PROTOCOL, protocol));
    SpdySession.Owner owner =
        switch (wanted) {
          case StreamRequest.CommandSession command ->
              new SpdyCommand(command, version(chosen.orElse("")), creationTimeout);
          case StreamRequest.PortSession ports ->
              new SpdyForward(ports, blocking(ctx), creationTimeout);
        };
    goOn(ctx, switching, new ReadGate(), frames(), new SpdySession(owner));
  }

  private static int version(String protocol) {
    return protocol.startsWith("v") ? protocol.charAt(1) - '0' : 1;
  }

  private static SpdyFrameCodec frames() {
    return new SpdyFrameCodec(
        SpdyVersion.SPDY_3_1, LARGEST_CHUNK, LARGEST_HEADERS, 6, 15, 8, false);
  }

  private void webSocket(ChannelHandlerContext ctx, FullHttpRequest request, StreamRequest wanted) {
    String key = request.headers().get(HttpHeaderNames.SEC_WEBSOCKET_KEY, "");
    if (!request.headers().get(HttpHeaderNames.SEC_WEBSOCKET_VERSION, "").equals("13")
        || key.isEmpty()) {
      FullHttpResponse refusal =
          response(HttpResponseStatus.UPGRADE_REQUIRED, "WebSocket must be of version 13");
      refusal.headers().set(HttpHeaderNames.SEC_WEBSOCKET_VERSION, "13");
      ctx.writeAndFlush(refusal).addListener(ChannelFutureListener.CLOSE);
      return;
    }
    List<String> offered = listed(request, HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL.toString());
    FullHttpResponse switching = switching("websocket");
    switching.headers().set(HttpHeaderNames.SEC_WEBSOCKET_ACCEPT, accept(key));
    if (wanted instanceof StreamRequest.PortSession ports
        && offered.contains(WebSocketTunnel.PROTOCOL)) {
      switching.headers().set(HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL, WebSocketTunnel.PROTOCOL);
      goOn(
          ctx,
          switching,
          new WebSocket13FrameEncoder(false),
          decoder(),
          new WebSocketTunnel(),
          new ReadGate(),
          frames(),
          new SpdySession(new SpdyForward(ports, blocking(ctx), creationTimeout)));
      return;
    }
    Optional<ChannelProtocol> chosen = ChannelProtocol.choose(offered);
    if (chosen.isEmpty()) {
      refuse(
          ctx,
          HttpResponseStatus.FORBIDDEN,
          "none of the WebSocket protocols %s is known here".formatted(offered));
      return;
    }
    ChannelProtocol protocol = chosen.get();
    if (!protocol.name().isEmpty()) {
      switching.headers().set(HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL, protocol.name());
    }
    if (wanted instanceof StreamRequest.PortSession ports && ports.ports().isEmpty()) {
      refuse(
          ctx,
          HttpResponseStatus.BAD_REQUEST,
          "this WebSocket protocol forwards the ports of the CRI's request, and it names none; use %s"
              .formatted(WebSocketTunnel.PROTOCOL));
      return;
    }
    goOn(
        ctx,
        switching,
        new WebSocket13FrameEncoder(false),
        decoder(),
        new WebSocketFrameAggregator(LARGEST_MESSAGE),
        switch (wanted) {
          case StreamRequest.CommandSession command -> new WebSocketCommand(command, protocol);
          case StreamRequest.PortSession ports ->
              new WebSocketForward(ports, protocol, blocking(ctx));
        });
  }

  /** For work whose messages are about what the connection carries. */
  private Executor blocking(ChannelHandlerContext ctx) {
    Map<String, String> about = ctx.channel().attr(ConnectionEnd.ABOUT).get();
    return work -> blocking.execute(() -> Story.about(about, work));
  }

  private static WebSocket13FrameDecoder decoder() {
    return new WebSocket13FrameDecoder(
        WebSocketDecoderConfig.newBuilder()
            .maxFramePayloadLength(LARGEST_MESSAGE)
            .expectMaskedFrames(true)
            .build());
  }

  private static String accept(String key) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-1")
              .digest((key + WEBSOCKET_KEY).getBytes(StandardCharsets.US_ASCII));
      return Base64.getEncoder().encodeToString(hash);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every Java platform has SHA-1", impossible);
    }
  }

  /** Headers may come several times, and with several values each. */
  private static List<String> listed(FullHttpRequest request, String header) {
    return request.headers().getAll(header).stream()
        .flatMap(value -> Arrays.stream(value.split(",")))
        .map(String::strip)
        .filter(value -> !value.isEmpty())
        .toList();
  }

  private void goOn(
      ChannelHandlerContext ctx, FullHttpResponse switching, ChannelHandler... handlers) {
    ChannelPipeline pipeline = ctx.pipeline();
    var _ = ctx.writeAndFlush(switching);
    // a session speaks as soon as it is there, and no HTTP any more
    pipeline.get(HttpServerCodec.class).removeOutboundHandler();
    for (ChannelHandler handler : handlers) {
      pipeline.addLast(handler);
    }
    pipeline.remove(HttpObjectAggregator.class);
    pipeline.remove(this);
    // last: what it has read beyond the request goes to the new handlers
    pipeline.remove(HttpServerCodec.class);
  }

  private static FullHttpResponse switching(String protocol) {
    FullHttpResponse response =
        new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.SWITCHING_PROTOCOLS);
    response.headers().set(HttpHeaderNames.CONNECTION, "Upgrade");
    response.headers().set(HttpHeaderNames.UPGRADE, protocol);
    return response;
  }

  private static FullHttpResponse response(HttpResponseStatus status, String words) {
    FullHttpResponse response =
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1,
            status,
            Unpooled.copiedBuffer(words + "\n", StandardCharsets.UTF_8));
    response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
    HttpUtil.setContentLength(response, response.content().readableBytes());
    return response;
  }

  private static void refuse(ChannelHandlerContext ctx, HttpResponseStatus status, String words) {
    ctx.writeAndFlush(response(status, words)).addListener(ChannelFutureListener.CLOSE);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.debug("a streaming connection failed before its request", cause);
    var _ = ctx.close();
  }
}
