package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.spdy.DefaultSpdyDataFrame;
import io.netty.handler.codec.spdy.DefaultSpdyGoAwayFrame;
import io.netty.handler.codec.spdy.DefaultSpdyPingFrame;
import io.netty.handler.codec.spdy.DefaultSpdyRstStreamFrame;
import io.netty.handler.codec.spdy.DefaultSpdySettingsFrame;
import io.netty.handler.codec.spdy.DefaultSpdySynReplyFrame;
import io.netty.handler.codec.spdy.DefaultSpdySynStreamFrame;
import io.netty.handler.codec.spdy.DefaultSpdyWindowUpdateFrame;
import io.netty.handler.codec.spdy.SpdyFrameCodec;
import io.netty.handler.codec.spdy.SpdySettingsFrame;
import io.netty.handler.codec.spdy.SpdyVersion;
import io.netty.util.ReferenceCountUtil;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A SPDY session whose client says anything, in any order, while its owner does what an owner may
 * do. No exception may come of it, every buffer must be released, and the owner must be told of the
 * end.
 *
 * <p>Without {@code JAZZER_FUZZ=1} in the environment the inputs that are kept beside this class
 * are tried, and some random ones that are the same each time; with it, new ones are looked for.
 */
class SpdySessionFuzzTest {
  private static final int RANDOM_INPUTS = 100;

  @FuzzTest(maxDuration = "20s")
  void bytes(byte[] data) {
    try (Session session = new Session()) {
      // in two pieces: a frame may be cut anywhere
      int cut = data.length == 0 ? 0 : (data[0] & 0xff) * data.length / 256;
      session.hear(Unpooled.copiedBuffer(data, 0, cut));
      session.hear(Unpooled.copiedBuffer(data, cut, data.length - cut));
    }
  }

  @FuzzTest(maxDuration = "20s")
  void frames(byte[] data) {
    ByteBuffer choices = ByteBuffer.wrap(data);
    try (Session session = new Session();
        Client client = new Client(session)) {
      while (choices.hasRemaining()) {
        client.act(choices);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void framesInRandomOrder(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < RANDOM_INPUTS; i++) {
      byte[] data = new byte[random.nextInt(1, 600)];
      random.nextBytes(data);
      frames(data);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void damagedFrames(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < RANDOM_INPUTS; i++) {
      byte[] data = new byte[random.nextInt(1, 300)];
      random.nextBytes(data);
      ByteBuffer choices = ByteBuffer.wrap(data);
      try (Session session = new Session();
          Client client = new Client(session)) {
        client.damages = random;
        while (choices.hasRemaining()) {
          client.act(choices);
        }
      }
    }
  }

  private static SpdyFrameCodec codec() {
    return new SpdyFrameCodec(SpdyVersion.SPDY_3_1, 64 << 10, 16 << 10, 6, 15, 8, false);
  }

  private static int next(ByteBuffer choices) {
    return choices.hasRemaining() ? choices.get() & 0xff : 0;
  }

  /** The session, and its owner. */
  private static final class Session implements SpdySession.Owner, AutoCloseable {
    private final SpdySession session = new SpdySession(this);
    private final EmbeddedChannel channel =
        new EmbeddedChannel(new ReadGate(), codec(), new Watch(), session);
    private final List<SpdyStream> streams = new ArrayList<>();
    private final List<ByteBuf> written = new ArrayList<>();
    private final Queue<Held> held = new ArrayDeque<>();
    private @Nullable Exception thrown;
    private int gone;

    private record Held(SpdyStream stream, ByteBuf bytes) {}

    /** The session's own handler would only log what is thrown. */
    private final class Watch extends ChannelInboundHandlerAdapter {
      @Override
      public void channelRead(ChannelHandlerContext ctx, Object message) {
        try {
          session.channelRead(ctx.pipeline().context(session), message);
        } catch (RuntimeException failure) {
          thrown = failure;
        }
      }
    }

    void hear(ByteBuf bytes) {
      if (channel.isOpen()) {
        channel.writeInbound(bytes);
      } else {
        bytes.release();
      }
      say();
    }

    /** What it says is dropped. */
    private void say() {
      channel.runPendingTasks();
      for (Object said = channel.readOutbound(); said != null; said = channel.readOutbound()) {
        ReferenceCountUtil.release(said);
      }
    }

    void act(int what, int which, int size) {
      SpdyStream stream = streams.isEmpty() ? null : streams.get(which % streams.size());
      if (stream == null) {
        return;
      }
      switch (what % 6) {
        case 0 -> {
          ByteBuf bytes = Unpooled.buffer().writeZero(size * size);
          written.add(bytes);
          stream.write(bytes);
        }
        case 1 -> stream.close();
        case 2 -> stream.reset();
        case 3 -> consume();
        case 4 -> channel.advanceTimeBy(10, java.util.concurrent.TimeUnit.SECONDS);
        default -> {
          if (size == 0) {
            session.leave();
          }
        }
      }
      say();
    }

    private void consume() {
      Held next = held.poll();
      if (next != null) {
        int count = next.bytes().readableBytes();
        next.bytes().release();
        next.stream().consumed(count);
      }
    }

    @Override
    public void began(SpdySession begun) {}

    @Override
    public void opened(SpdyStream stream) {
      if (stream.header("refuse").equals("yes")) {
        stream.reset();
        return;
      }
      streams.add(stream);
      stream.accept(
          new SpdyStream.Receiver() {
            private boolean over;

            @Override
            public void data(ByteBuf bytes) {
              assertThat(over).as("data after the end").isFalse();
              held.add(new Held(stream, bytes));
            }

            @Override
            public void ended() {
              assertThat(over).as("an end after the end").isFalse();
              over = true;
            }

            @Override
            public void reset() {
              over = true;
            }
          });
    }

    @Override
    public void takesOutput() {}

    @Override
    public void gone() {
      gone++;
    }

    @Override
    public void close() {
      say();
      var _ = channel.close();
      channel.advanceTimeBy(1, java.util.concurrent.TimeUnit.MINUTES);
      while (!held.isEmpty()) {
        consume();
      }
      streams.forEach(SpdyStream::close);
      say();
      boolean _ = channel.finishAndReleaseAll();
      assertThat(thrown).isNull();
      assertThat(gone).as("told of the end").isEqualTo(1);
      assertThat(written).allSatisfy(bytes -> assertThat(bytes.refCnt()).isZero());
    }
  }

  /** Says what the bytes that it is given mean. */
  private static final class Client implements AutoCloseable {
    private final EmbeddedChannel channel = new EmbeddedChannel(codec());
    private final Session session;
    private @Nullable Random damages;

    Client(Session session) {
      this.session = session;
    }

    void act(ByteBuffer choices) {
      int what = next(choices);
      int id = next(choices) % 16;
      int size = next(choices);
      switch (what % 12) {
        case 0, 1 -> {
          DefaultSpdySynStreamFrame frame = new DefaultSpdySynStreamFrame(id + 1, 0, (byte) 0);
          frame.headers().set("streamtype", "data").set("refuse", size % 7 == 0 ? "yes" : "no");
          frame.setLast(size % 5 == 0);
          frame.setUnidirectional(size % 11 == 0);
          say(frame);
        }
        case 2, 3 -> {
          DefaultSpdyDataFrame frame =
              new DefaultSpdyDataFrame(id + 1, Unpooled.buffer().writeZero(size * size));
          frame.setLast(size % 5 == 0);
          say(frame);
        }
        case 4 -> say(new DefaultSpdyRstStreamFrame(id + 1, 1 + size % 11));
        case 5 -> say(new DefaultSpdyWindowUpdateFrame(id, size == 0 ? 1 : size << 23 | size));
        case 6 -> say(new DefaultSpdyPingFrame(id));
        case 7 -> {
          DefaultSpdySettingsFrame frame = new DefaultSpdySettingsFrame();
          frame.setValue(SpdySettingsFrame.SETTINGS_INITIAL_WINDOW_SIZE, size * size);
          say(frame);
        }
        case 8 -> {
          if (size % 4 == 0) {
            say(new DefaultSpdyGoAwayFrame(id));
          } else {
            say(new DefaultSpdySynReplyFrame(id + 1));
          }
        }
        default -> session.act(what, id, size);
      }
    }

    private void say(Object frame) {
      channel.writeOutbound(frame);
      for (ByteBuf bytes = channel.readOutbound(); bytes != null; bytes = channel.readOutbound()) {
        if (damages != null && bytes.isReadable() && damages.nextInt(8) == 0) {
          int index = bytes.readerIndex() + damages.nextInt(bytes.readableBytes());
          bytes.setByte(index, damages.nextInt(256));
        }
        session.hear(bytes);
      }
    }

    @Override
    public void close() {
      boolean _ = channel.finishAndReleaseAll();
    }
  }
}
