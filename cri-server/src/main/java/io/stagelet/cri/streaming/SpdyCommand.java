package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import java.time.Duration;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Exec and attach over SPDY: a stream each for the error, the input, the outputs and the terminal's
 * sizes, which the client opens in any order and names by the header {@code streamtype}.
 */
final class SpdyCommand implements SpdySession.Owner, ClientEnd {
  private final StreamRequest.CommandSession request;
  private final int version;
  private final Duration creationTimeout;
  private final Map<Output, SpdyStream> outputs = new EnumMap<>(Output.class);
  private final Map<String, SpdyStream> streams = new HashMap<>();
  private @Nullable SpdySession session;
  private @Nullable HostEnd host;
  private boolean started;
  private boolean finished;
  private boolean gone;

  SpdyCommand(StreamRequest.CommandSession request, int version, Duration creationTimeout) {
    this.request = request;
    this.version = version;
    this.creationTimeout = creationTimeout;
  }

  @Override
  public void began(SpdySession begun) {
    session = begun;
    host = request.host().open(begun.loop());
    begun.later(this::checkStreams, creationTimeout.toMillis());
  }

  private void checkStreams() {
    if (!started && !gone) {
      finish(
          new Ending.Failed(
              "the client has not opened the streams that it asked for within %s s"
                  .formatted(creationTimeout.toMillis() / 1000.0)));
    }
  }

  @Override
  public void opened(SpdyStream stream) {
    String type = stream.header("streamtype");
    if (!wanted(type) || streams.containsKey(type) || finished) {
      stream.reset();
      return;
    }
    streams.put(type, stream);
    switch (type) {
      case "stdin" -> stream.accept(new Input(stream));
      case "resize" -> stream.accept(new Sizes(stream));
      default -> {
        if (type.equals("stdout")) {
          outputs.put(Output.STDOUT, stream);
        } else if (type.equals("stderr")) {
          outputs.put(Output.STDERR, stream);
        }
        stream.accept(new Nothing(stream));
      }
    }
    if (streams.size() == expected()) {
      started = true;
      host().start(this);
    }
  }

  private boolean wanted(String type) {
    return switch (type) {
      case "error" -> true;
      case "stdin" -> request.stdin();
      case "stdout" -> request.stdout();
      case "stderr" -> request.stderr() && !request.terminal();
      case "resize" -> request.terminal() && version >= 3;
      default -> false;
    };
  }

  private int expected() {
    int count = 1;
    for (String type : new String[] {"stdin", "stdout", "stderr", "resize"}) {
      count += wanted(type) ? 1 : 0;
    }
    return count;
  }

  /** The client writes the command's input. */
  private final class Input implements SpdyStream.Receiver {
    private final SpdyStream stream;

    Input(SpdyStream stream) {
      this.stream = stream;
    }

    @Override
    public void data(ByteBuf bytes) {
      if (finished) {
        drop(stream, bytes);
      } else {
        host().input(bytes);
      }
    }

    @Override
    public void ended() {
      if (!finished) {
        host().inputEnded();
      }
    }

    @Override
    public void reset() {
      ended();
    }
  }

  /** The client tells the sizes of its terminal. */
  private final class Sizes implements SpdyStream.Receiver {
    private final SpdyStream stream;
    private final TerminalSizes sizes = new TerminalSizes(this::resize);

    Sizes(SpdyStream stream) {
      this.stream = stream;
    }

    private void resize(int columns, int rows) {
      if (!finished) {
        host().resize(columns, rows);
      }
    }

    @Override
    public void data(ByteBuf bytes) {
      int count = bytes.readableBytes();
      sizes.add(bytes);
      stream.consumed(count);
    }

    @Override
    public void ended() {}

    @Override
    public void reset() {}
  }

  /** The client has nothing to say on an output; it half-closes them at once. */
  private static final class Nothing implements SpdyStream.Receiver {
    private final SpdyStream stream;

    Nothing(SpdyStream stream) {
      this.stream = stream;
    }

    @Override
    public void data(ByteBuf bytes) {
      drop(stream, bytes);
    }

    @Override
    public void ended() {}

    @Override
    public void reset() {}
  }

  private static void drop(SpdyStream stream, ByteBuf bytes) {
    int count = bytes.readableBytes();
    bytes.release();
    stream.consumed(count);
  }

  @Override
  public void takesOutput() {
    if (!finished) {
      host().clientTakesOutput();
    }
  }

  @Override
  public void gone() {
    gone = true;
    host().clientGone();
  }

  /** One connection: an output that the client does not read holds the other up, as in TCP. */
  private boolean allTakeOutput() {
    return outputs.values().stream().allMatch(stream -> stream.gone || stream.takesOutput());
  }

  // what the host's end says

  private HostEnd host() {
    if (host == null) {
      throw new IllegalStateException("no session yet");
    }
    return host;
  }

  private SpdySession session() {
    if (session == null) {
      throw new IllegalStateException("no session yet");
    }
    return session;
  }

  @Override
  public boolean takesOutputNow() {
    return gone || allTakeOutput();
  }

  @Override
  public void output(Output kind, ByteBuf bytes) {
    SpdyStream stream = outputs.get(kind);
    if (stream == null || gone) {
      bytes.release();
    } else {
      stream.write(bytes);
    }
  }

  @Override
  public void inputConsumed(int bytes) {
    SpdyStream stream = streams.get("stdin");
    if (stream != null && bytes > 0 && !gone) {
      stream.consumed(bytes);
    }
  }

  @Override
  public void finish(Ending ending) {
    if (finished || gone) {
      return;
    }
    finished = true;
    SpdyStream error = streams.get("error");
    if (error != null) {
      error.write(CommandStatus.of(ending, version));
    }
    streams.values().forEach(SpdyStream::close);
    session().leave();
  }
}
