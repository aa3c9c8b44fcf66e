package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.spdy.DefaultSpdyDataFrame;
import io.netty.handler.codec.spdy.DefaultSpdyPingFrame;
import io.netty.handler.codec.spdy.DefaultSpdySynStreamFrame;
import io.netty.handler.codec.spdy.SpdyDataFrame;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How much the session sends, by what the client does about windows. */
class SpdyWindowsTest {
  private static final int WINDOW = 64 << 10;
  private static final int PIECE = 32 << 10;

  private final List<SpdyStream> streams = new ArrayList<>();
  private final List<ByteBuf> held = new ArrayList<>();
  private final SpdySession session =
      new SpdySession(
          new SpdySession.Owner() {
            @Override
            public void began(SpdySession session) {}

            @Override
            public void opened(SpdyStream stream) {
              stream.accept(
                  new SpdyStream.Receiver() {
                    @Override
                    public void data(ByteBuf bytes) {
                      held.add(bytes);
                    }

                    @Override
                    public void ended() {}

                    @Override
                    public void reset() {}
                  });
              streams.add(stream);
            }

            @Override
            public void takesOutput() {}

            @Override
            public void gone() {}
          });
  private final EmbeddedChannel channel = new EmbeddedChannel(session);

  @BeforeEach
  void open() {
    channel.writeInbound(new DefaultSpdySynStreamFrame(1, 0, (byte) 0));
    streams.getFirst().write(Unpooled.wrappedBuffer(new byte[4 * WINDOW]));
  }

  @AfterEach
  void close() {
    channel.finishAndReleaseAll();
    held.forEach(ReferenceCountUtil::release);
  }

  @Test
  void aClientThatSaysNothingIsSentAWindow() {
    assertThat(sent()).isEqualTo(WINDOW);
  }

  @Test
  void aClientThatAnswersWithoutHavingAnnouncedAnythingIsSentAll() {
    assertThat(sent()).isEqualTo(WINDOW);
    channel.writeInbound(new DefaultSpdyPingFrame(2));
    assertThat(sent()).isEqualTo(3 * WINDOW);
  }

  /** Its answer would be behind its data, which is not read while nothing takes them. */
  @Test
  void aClientThatSendsMoreThanAWindowIsSentAllWithoutItsAnswer() {
    assertThat(sent()).isEqualTo(WINDOW);
    channel.writeInbound(data(), data());
    assertThat(sent()).isZero();
    channel.writeInbound(data());
    assertThat(sent()).isEqualTo(3 * WINDOW);
  }

  @Test
  void aClientThatSendsNoMoreThanAWindowAtATimeMayKeepWindows() {
    assertThat(sent()).isEqualTo(WINDOW);
    for (int i = 0; i < 8; i++) {
      channel.writeInbound(data());
      streams.getFirst().consumed(PIECE);
    }
    assertThat(sent()).isZero();
  }

  private static SpdyDataFrame data() {
    return new DefaultSpdyDataFrame(1, Unpooled.wrappedBuffer(new byte[PIECE]));
  }

  /** The bytes of data sent since the last look. */
  private int sent() {
    channel.runPendingTasks();
    int bytes = 0;
    for (Object each = channel.readOutbound(); each != null; each = channel.readOutbound()) {
      bytes += each instanceof SpdyDataFrame data ? data.content().readableBytes() : 0;
      ReferenceCountUtil.release(each);
    }
    return bytes;
  }
}
