package io.stagelet.cri.streaming;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.IoEventLoop;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.StageletException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection to a port of a pod. Its socket is made by a thread that has entered the pod's
 * network namespace, and is used by the session's loop like any other: no process is started, and
 * the thread ends at once. It is connected to the pod's loopback, first of IPv4, then of IPv6.
 *
 * <p>A connection that stood and breaks (the pod resets it) just ends: to kubectl a failure on one
 * connection is a failure of all, and it would close those that are well.
 */
final class PodConnection extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = LoggerFactory.getLogger(PodConnection.class);
  private static final int CONNECT_MILLIS = 30_000;

  private final StreamRequest.PortSession pod;
  private final int port;
  private final PortClient client;
  private final IoEventLoop loop;
  private final Executor blocking;

  /** What the client said before the connection stood. */
  private final Queue<ByteBuf> early = new ArrayDeque<>();

  private @Nullable Channel channel;
  private boolean inputEnded;
  private boolean outputEnded;
  private boolean finished;

  PodConnection(
      StreamRequest.PortSession pod,
      int port,
      PortClient client,
      IoEventLoop loop,
      Executor blocking) {
    this.pod = pod;
    this.port = port;
    this.client = client;
    this.loop = loop;
    this.blocking = blocking;
  }

  /** Connects. */
  void start() {
    connect(loopbacks());
  }

  private void connect(List<InetAddress> addresses) {
    blocking.execute(() -> {
      try {
        EpollSocketChannel made = socket();
        loop.execute(() -> connect(made, addresses));
      } catch (RuntimeException failure) {
        if (!(failure instanceof StageletException)) {
          StoryEvent.STREAM_FAILED
              .on(LOG)
              .setCause(failure)
              .log(
                  "a connection to port {} in pod {} could not be made: {}",
                  port,
                  pod.pod(),
                  StageletException.reason(failure));
        }
        loop.execute(() ->
            finish(
                "cannot enter the network of pod %s: %s; is the pod running?"
                    .formatted(pod.pod(), StageletException.reason(failure))));
      }
    });
  }

  private EpollSocketChannel socket() {
    if (pod.networkNamespace().isEmpty()) {
      return new EpollSocketChannel();
    }
    Path pin = pod.networkNamespace().get();
    if (!Files.exists(pin)) {
      throw new StageletException(
          io.stagelet.linux.ErrorCode.NOT_FOUND, "its network namespace is gone");
    }
    return Namespaces.inside(Namespaces.Kind.NETWORK, pin, EpollSocketChannel::new);
  }

  private void connect(EpollSocketChannel made, List<InetAddress> addresses) {
    channel = made;
    new Bootstrap()
        .group(loop)
        .channelFactory(() -> made)
        .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
        .option(ChannelOption.TCP_NODELAY, true)
        .option(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
        .option(ChannelOption.AUTO_READ, false)
        // what the pod said before it refused to hear more is read all the same
        .option(ChannelOption.AUTO_CLOSE, false)
        .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_MILLIS)
        .handler(new ChannelInboundHandlerAdapter())
        .connect(new InetSocketAddress(addresses.getFirst(), port))
        .addListener(connected -> {
          if (connected.isSuccess()) {
            connected(made);
          } else if (addresses.size() > 1 && !finished) {
            connect(addresses.subList(1, addresses.size()));
          } else {
            finish(
                "cannot connect to port %d in pod %s: %s"
                    .formatted(port, pod.pod(), StageletException.reason(connected.cause())));
          }
        });
  }

  private void connected(Channel stands) {
    if (finished) {
      var _ = stands.close();
      return;
    }
    stands.pipeline().addLast(this);
    for (ByteBuf bytes = early.poll(); bytes != null; bytes = early.poll()) {
      write(stands, bytes);
    }
    if (inputEnded) {
      shutdownOutput(stands);
    }
    clientTakesOutput();
  }

  /** Takes what the client says, and with it the buffer. */
  void input(ByteBuf bytes) {
    Channel stands = channel;
    if (finished || inputEnded) {
      int count = bytes.readableBytes();
      bytes.release();
      client.inputConsumed(count);
    } else if (stands == null || stands.pipeline().context(this) == null) {
      early.add(bytes);
    } else {
      write(stands, bytes);
    }
  }

  private void write(Channel stands, ByteBuf bytes) {
    int count = bytes.readableBytes();
    stands
        .writeAndFlush(bytes)
        .addListener(written -> {
          client.inputConsumed(count);
          if (!written.isSuccess()) {
            LOG.debug("pod {} takes no more at port {}", pod.pod(), port, written.cause());
            inputEnded = true;
            finishWhenDone();
          }
        });
  }

  /** The client has closed its half. */
  void inputEnded() {
    if (inputEnded || finished) {
      return;
    }
    inputEnded = true;
    Channel stands = channel;
    if (stands != null && stands.pipeline().context(this) != null) {
      shutdownOutput(stands);
    }
  }

  private void shutdownOutput(Channel stands) {
    stands
        .writeAndFlush(Unpooled.EMPTY_BUFFER)
        .addListener(_ -> {
          if (stands.isActive()) {
            var _ = ((EpollSocketChannel) stands).shutdownOutput();
          }
          finishWhenDone();
        });
  }

  /** The client takes more. */
  void clientTakesOutput() {
    Channel stands = channel;
    if (stands != null && !finished) {
      stands.config().setAutoRead(client.takesOutputNow());
    }
  }

  /** The client has gone. */
  void clientGone() {
    finish("");
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    client.output((ByteBuf) message);
    if (!client.takesOutputNow()) {
      ctx.channel().config().setAutoRead(false);
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof ChannelInputShutdownEvent && !outputEnded) {
      outputEnded = true;
      client.outputEnded();
      finishWhenDone();
    }
    ctx.fireUserEventTriggered(event);
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    if (!outputEnded) {
      outputEnded = true;
      client.outputEnded();
    }
    finish("");
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.debug("a connection to port {} in pod {} broke", port, pod.pod(), cause);
    finish("");
  }

  private void finishWhenDone() {
    if (inputEnded && outputEnded) {
      finish("");
    }
  }

  private void finish(String failure) {
    if (finished) {
      return;
    }
    finished = true;
    for (ByteBuf bytes = early.poll(); bytes != null; bytes = early.poll()) {
      int count = bytes.readableBytes();
      bytes.release();
      client.inputConsumed(count);
    }
    if (channel != null) {
      var _ = channel.close();
    }
    client.finish(failure);
  }

  private static List<InetAddress> loopbacks() {
    try {
      byte[] six = new byte[16];
      six[15] = 1;
      return List.of(
          InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), InetAddress.getByAddress(six));
    } catch (UnknownHostException impossible) {
      throw new IllegalStateException("addresses of 4 and 16 bytes are addresses", impossible);
    }
  }
}
