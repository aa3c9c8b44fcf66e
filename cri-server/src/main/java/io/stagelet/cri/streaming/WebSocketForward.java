package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Port-forward over WebSocket in its first form: one connection for each port that was asked for,
 * with two channels, whose first message in each direction from here is the port.
 */
final class WebSocketForward extends WebSocketEnd {
  private final StreamRequest.PortSession request;
  private final ChannelProtocol protocol;
  private final Executor blocking;
  private final List<Forwarded> connections = new ArrayList<>();
  private int open;
  private boolean gone;

  WebSocketForward(StreamRequest.PortSession request, ChannelProtocol protocol, Executor blocking) {
    this.request = request;
    this.protocol = protocol;
    this.blocking = blocking;
  }

  @Override
  void began() {
    open = request.ports().size();
    for (int port : request.ports()) {
      connections.add(new Forwarded(2 * connections.size(), port));
    }
    connections.forEach(Forwarded::start);
  }

  @Override
  void message(WebSocketFrame frame) {
    protocol
        .read(frame)
        .ifPresent(message -> {
          int index = message.channel() / 2;
          if (message.channel() % 2 == 0 && index < connections.size()) {
            received(message.content().readableBytes());
            connections.get(index).connection.input(message.content());
          } else {
            message.content().release();
          }
        });
  }

  @Override
  void takesOutput() {
    connections.forEach(forwarded -> forwarded.connection.clientTakesOutput());
  }

  @Override
  void clientGone() {
    gone = true;
    connections.forEach(forwarded -> forwarded.connection.clientGone());
  }

  /** One port. */
  private final class Forwarded implements PortClient {
    private final int channel;
    private final int port;
    private final PodConnection connection;

    Forwarded(int channel, int port) {
      this.channel = channel;
      this.port = port;
      this.connection = new PodConnection(request, port, this, loop(), blocking);
    }

    void start() {
      send(protocol.frame(channel, Unpooled.buffer(2).writeShortLE(port)));
      send(protocol.frame(channel + 1, Unpooled.buffer(2).writeShortLE(port)));
      connection.start();
    }

    @Override
    public boolean takesOutputNow() {
      return writable();
    }

    @Override
    public void output(ByteBuf bytes) {
      send(protocol.frame(channel, bytes));
    }

    @Override
    public void outputEnded() {
      // this protocol cannot say it; nor can the client half-close
      connection.inputEnded();
    }

    @Override
    public void inputConsumed(int bytes) {
      if (!gone) {
        consumed(bytes);
      }
    }

    @Override
    public void finish(String failure) {
      if (!failure.isEmpty()) {
        send(protocol.frame(channel + 1, Unpooled.copiedBuffer(failure, StandardCharsets.UTF_8)));
      }
      open--;
      if (open == 0) {
        leave();
      }
    }
  }
}
