package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import org.jspecify.annotations.Nullable;

/** Exec and attach over WebSocket: a channel each for what SPDY has a stream for. */
final class WebSocketCommand extends WebSocketEnd implements ClientEnd {
  private static final int STDIN = 0;
  private static final int STDOUT = 1;
  private static final int STDERR = 2;
  private static final int ERROR = 3;
  private static final int RESIZE = 4;

  /** From version 5 on: the next byte names a channel of which no more comes. */
  private static final int CLOSE = 255;

  private final StreamRequest.CommandSession request;
  private final ChannelProtocol protocol;
  private final TerminalSizes sizes = new TerminalSizes(this::resize);
  private @Nullable HostEnd host;
  private boolean finished;
  private boolean gone;

  WebSocketCommand(StreamRequest.CommandSession request, ChannelProtocol protocol) {
    this.request = request;
    this.protocol = protocol;
  }

  @Override
  void began() {
    // tells the client that the session stands, before there is output
    int first = request.stdout() ? STDOUT : request.stderr() ? STDERR : ERROR;
    send(protocol.frame(first, Unpooled.EMPTY_BUFFER));
    HostEnd opened = request.host().open(loop());
    host = opened;
    opened.start(this);
  }

  @Override
  void message(WebSocketFrame frame) {
    protocol.read(frame).ifPresent(this::message);
  }

  private void message(ChannelProtocol.Message message) {
    ByteBuf content = message.content();
    switch (message.channel()) {
      case STDIN -> {
        if (request.stdin() && !finished && content.isReadable()) {
          received(content.readableBytes());
          host().input(content);
        } else {
          content.release();
        }
      }
      case RESIZE -> sizes.add(content);
      case CLOSE -> {
        boolean stdin =
            protocol.version() >= 5 && content.isReadable() && content.readByte() == STDIN;
        content.release();
        if (stdin && request.stdin() && !finished) {
          host().inputEnded();
        }
      }
      default -> content.release();
    }
  }

  private void resize(int columns, int rows) {
    if (request.terminal() && !finished) {
      host().resize(columns, rows);
    }
  }

  @Override
  void takesOutput() {
    if (!finished) {
      host().clientTakesOutput();
    }
  }

  @Override
  void clientGone() {
    gone = true;
    host().clientGone();
  }

  private HostEnd host() {
    if (host == null) {
      throw new IllegalStateException("no session yet");
    }
    return host;
  }

  @Override
  public boolean takesOutputNow() {
    return gone || writable();
  }

  @Override
  public void output(Output stream, ByteBuf bytes) {
    boolean wanted = stream == Output.STDOUT ? request.stdout() : request.stderr();
    if (wanted && !finished) {
      send(protocol.frame(stream == Output.STDOUT ? STDOUT : STDERR, bytes));
    } else {
      bytes.release();
    }
  }

  @Override
  public void inputConsumed(int bytes) {
    if (!gone) {
      consumed(bytes);
    }
  }

  @Override
  public void finish(Ending ending) {
    if (finished || gone) {
      return;
    }
    finished = true;
    ByteBuf status = CommandStatus.of(ending, protocol.version());
    if (status.isReadable()) {
      send(protocol.frame(ERROR, status));
    }
    leave();
  }
}
