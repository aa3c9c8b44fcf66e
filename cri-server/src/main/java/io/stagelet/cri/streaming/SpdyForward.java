package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * Port-forward over SPDY: two streams for each connection, one for its bytes and one for what went
 * wrong with it, which belong together by the header {@code requestid}.
 */
final class SpdyForward implements SpdySession.Owner {
  private static final int LAST_PORT = 65_535;

  private final StreamRequest.PortSession request;
  private final Executor blocking;
  private final Duration creationTimeout;
  private final Map<String, Pair> pairs = new LinkedHashMap<>();
  private @Nullable SpdySession session;

  SpdyForward(StreamRequest.PortSession request, Executor blocking, Duration creationTimeout) {
    this.request = request;
    this.blocking = blocking;
    this.creationTimeout = creationTimeout;
  }

  @Override
  public void began(SpdySession begun) {
    session = begun;
  }

  @Override
  public void opened(SpdyStream stream) {
    String type = stream.header("streamtype");
    int port = port(stream.header("port"));
    if (port == 0 || !(type.equals("error") || type.equals("data"))) {
      stream.reset();
      return;
    }
    String key = key(stream, type);
    Pair pair = pairs.get(key);
    if (pair == null) {
      Pair made = new Pair(key, port);
      pair = made;
      pairs.put(key, made);
      session().later(made::giveUpUnlessWhole, creationTimeout.toMillis());
    }
    pair.add(stream, type.equals("error"));
  }

  /** Old clients give no id: the data stream is then the next after its error stream. */
  private static String key(SpdyStream stream, String type) {
    String id = stream.header("requestid");
    if (!id.isEmpty()) {
      return id;
    }
    return "stream " + (type.equals("error") ? stream.id() : stream.id() - 2);
  }

  private int port(String text) {
    if (!text.matches("[0-9]{1,5}")) {
      return 0;
    }
    int port = Integer.parseInt(text);
    boolean allowed = request.ports().isEmpty() || request.ports().contains(port);
    return port <= LAST_PORT && allowed ? port : 0;
  }

  @Override
  public void takesOutput() {
    List.copyOf(pairs.values()).forEach(Pair::takesOutput);
  }

  @Override
  public void gone() {
    List.copyOf(pairs.values()).forEach(Pair::gone);
    pairs.clear();
  }

  private SpdySession session() {
    if (session == null) {
      throw new IllegalStateException("no session yet");
    }
    return session;
  }

  /** One connection. */
  private final class Pair implements PortClient {
    private final String key;
    private final PodConnection connection;
    private @Nullable SpdyStream data;
    private @Nullable SpdyStream error;
    private boolean finished;

    Pair(String key, int port) {
      this.key = key;
      this.connection = new PodConnection(request, port, this, session().loop(), blocking);
    }

    void add(SpdyStream stream, boolean isError) {
      if ((isError ? error : data) != null || finished) {
        stream.reset();
        return;
      }
      if (isError) {
        error = stream;
      } else {
        data = stream;
      }
      stream.accept(isError ? new Silent(stream) : new Data());
      if (error != null && data != null) {
        connection.start();
      }
    }

    void giveUpUnlessWhole() {
      if (data == null || error == null) {
        finish("the client has opened one of a connection's two streams only");
      }
    }

    void takesOutput() {
      connection.clientTakesOutput();
    }

    void gone() {
      connection.clientGone();
    }

    @Override
    public boolean takesOutputNow() {
      return data == null || data.gone || data.takesOutput();
    }

    @Override
    public void output(ByteBuf bytes) {
      if (data == null) {
        bytes.release();
      } else {
        data.write(bytes);
      }
    }

    @Override
    public void outputEnded() {
      if (data != null) {
        data.close();
      }
    }

    @Override
    public void inputConsumed(int bytes) {
      if (data != null && bytes > 0) {
        data.consumed(bytes);
      }
    }

    @Override
    public void finish(String failure) {
      finished = true;
      pairs.remove(key, this);
      if (error != null) {
        if (!failure.isEmpty()) {
          error.write(Unpooled.copiedBuffer(failure, StandardCharsets.UTF_8));
        }
        error.close();
      }
      if (data != null) {
        data.close();
      }
    }

    /** What the client sends to the pod. */
    private final class Data implements SpdyStream.Receiver {
      @Override
      public void data(ByteBuf bytes) {
        connection.input(bytes);
      }

      @Override
      public void ended() {
        connection.inputEnded();
      }

      @Override
      public void reset() {
        connection.clientGone();
      }
    }
  }

  /** The client has nothing to say on the error stream. */
  private record Silent(SpdyStream stream) implements SpdyStream.Receiver {
    @Override
    public void data(ByteBuf bytes) {
      int count = bytes.readableBytes();
      bytes.release();
      stream.consumed(count);
    }

    @Override
    public void ended() {}

    @Override
    public void reset() {}
  }
}
