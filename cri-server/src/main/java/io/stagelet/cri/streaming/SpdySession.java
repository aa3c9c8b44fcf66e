package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.spdy.DefaultSpdyDataFrame;
import io.netty.handler.codec.spdy.DefaultSpdyGoAwayFrame;
import io.netty.handler.codec.spdy.DefaultSpdyPingFrame;
import io.netty.handler.codec.spdy.DefaultSpdyRstStreamFrame;
import io.netty.handler.codec.spdy.DefaultSpdySynReplyFrame;
import io.netty.handler.codec.spdy.DefaultSpdyWindowUpdateFrame;
import io.netty.handler.codec.spdy.SpdyDataFrame;
import io.netty.handler.codec.spdy.SpdyGoAwayFrame;
import io.netty.handler.codec.spdy.SpdyHeaders;
import io.netty.handler.codec.spdy.SpdyPingFrame;
import io.netty.handler.codec.spdy.SpdyRstStreamFrame;
import io.netty.handler.codec.spdy.SpdySessionStatus;
import io.netty.handler.codec.spdy.SpdySettingsFrame;
import io.netty.handler.codec.spdy.SpdyStreamStatus;
import io.netty.handler.codec.spdy.SpdySynReplyFrame;
import io.netty.handler.codec.spdy.SpdySynStreamFrame;
import io.netty.handler.codec.spdy.SpdyWindowUpdateFrame;
import io.netty.util.ReferenceCountUtil;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The streams of a SPDY/3.1 connection (draft-mbelshe-httpbis-spdy-00, and 3.1's window of the
 * session), all opened by the client. The frames are read and written by Netty's codec; its session
 * handler is not used, because it waits for window updates that Go's usual client never sends.
 *
 * <p>What a client does about windows is found out when the first is used up: a PING is sent, and
 * nothing more of that stream. A client that keeps windows says so before it answers; one that
 * answers first, or sends more than a window itself, has none, and is sent all its connection
 * takes.
 *
 * <pre>
 *              window used up          PING answered, or our window overrun
 *   UNKNOWN ──────────────────▶ ASKED ───────────────▶ NONE
 *      └── WINDOW_UPDATE ────────┴──────▶ KEPT ◀──────────┘
 * </pre>
 *
 * <p>Belongs to the loop of its channel.
 */
final class SpdySession extends ConnectionEnd {
  private static final Logger LOG = LoggerFactory.getLogger(SpdySession.class);

  /** Who decides about the streams. */
  interface Owner {
    /** The session can be used. */
    void began(SpdySession session);

    /** The client opens a stream: it is to be accepted or reset before this returns. */
    void opened(SpdyStream stream);

    /** The client may take output again, on some streams. */
    void takesOutput();

    /** The connection is gone; called once. */
    void gone();
  }

  private enum Windows {
    UNKNOWN,
    ASKED,
    NONE,
    KEPT
  }

  private static final int INITIAL_WINDOW = 64 << 10;

  /** So many bytes are used up before the client is told: half of what it may send. */
  private static final int ANNOUNCE = INITIAL_WINDOW / 2;

  private static final int MOST_STREAMS = 4096;
  private static final int QUESTION = 2;
  private static final long ANSWER_MILLIS = 5000;

  private final Owner owner;
  private final Map<Integer, SpdyStream> streams = new LinkedHashMap<>();
  private Windows windows = Windows.UNKNOWN;
  private int initialWindow = INITIAL_WINDOW;
  private long sessionWindow = INITIAL_WINDOW;
  private long unconsumed;
  private int unannounced;
  private int lastStream;
  private boolean clientLeaves;
  private boolean ended;
  private boolean saidGoodbye;

  SpdySession(Owner owner) {
    this.owner = owner;
  }

  @Override
  void began() {
    owner.began(this);
  }

  boolean writable() {
    return !ended && context().channel().isWritable();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    try {
      switch (message) {
        case SpdyDataFrame frame -> data(frame);
        case SpdySynReplyFrame frame -> refuse(frame.streamId());
        case SpdySynStreamFrame frame -> opened(frame);
        case SpdyRstStreamFrame frame -> wasReset(frame.streamId());
        case SpdyPingFrame frame -> ping(frame.id());
        case SpdySettingsFrame frame -> settings(frame);
        case SpdyWindowUpdateFrame frame -> window(frame.streamId(), frame.deltaWindowSize());
        case SpdyGoAwayFrame _ -> {
          clientLeaves = true;
          closeIfDone();
        }
        default -> LOG.debug("a SPDY frame without meaning here: {}", message);
      }
    } finally {
      ReferenceCountUtil.release(message);
    }
  }

  private void opened(SpdySynStreamFrame frame) {
    int id = frame.streamId();
    if (frame.isInvalid() || frame.isTruncated() || id <= lastStream || id % 2 == 0) {
      send(new DefaultSpdyRstStreamFrame(id, SpdyStreamStatus.PROTOCOL_ERROR));
      return;
    }
    lastStream = id;
    if (streams.size() >= MOST_STREAMS || clientLeaves || ended) {
      send(new DefaultSpdyRstStreamFrame(id, SpdyStreamStatus.REFUSED_STREAM));
      return;
    }
    SpdyStream stream = new SpdyStream(this, id, headers(frame.headers()), initialWindow);
    stream.inputEnded = frame.isLast();
    stream.closed = frame.isUnidirectional();
    streams.put(id, stream);
    owner.opened(stream);
    if (stream.inputEnded && stream.accepted()) {
      stream.receiver().ended();
      forgetIfDone(stream);
    }
  }

  private static Map<String, String> headers(SpdyHeaders headers) {
    Map<String, String> byName = new HashMap<>();
    for (Map.Entry<CharSequence, CharSequence> header : headers) {
      byName.put(header.getKey().toString().toLowerCase(Locale.ROOT), header.getValue().toString());
    }
    return byName;
  }

  /** Go's client cannot read a reply without any header. */
  void accept(SpdyStream stream) {
    DefaultSpdySynReplyFrame reply = new DefaultSpdySynReplyFrame(stream.id());
    reply.headers().set("accepted", "true");
    send(reply);
  }

  private void data(SpdyDataFrame frame) {
    SpdyStream stream = streams.get(frame.streamId());
    int count = frame.content().readableBytes();
    if (stream == null || stream.inputEnded) {
      // of a stream that was reset, maybe: the bytes count for the session all the same
      announce(count);
      if (stream != null || frame.streamId() > lastStream) {
        send(new DefaultSpdyRstStreamFrame(frame.streamId(), SpdyStreamStatus.INVALID_STREAM));
      }
      return;
    }
    if (count > 0) {
      unconsumed += count;
      if (unconsumed + unannounced > INITIAL_WINDOW) {
        overrun();
      }
      readOrNot();
      stream.receiver().data(frame.content().retain());
    }
    if (frame.isLast() && !stream.inputEnded) {
      stream.inputEnded = true;
      if (!stream.gone) {
        stream.receiver().ended();
      }
      forgetIfDone(stream);
    }
  }

  void consumed(SpdyStream stream, int bytes) {
    unconsumed -= bytes;
    readOrNot();
    announce(bytes);
    stream.unannounced += bytes;
    if (stream.unannounced >= ANNOUNCE && !stream.inputEnded && !stream.gone) {
      send(new DefaultSpdyWindowUpdateFrame(stream.id(), stream.unannounced));
      stream.unannounced = 0;
    }
  }

  private void announce(int bytes) {
    unannounced += bytes;
    if (unannounced >= ANNOUNCE) {
      send(new DefaultSpdyWindowUpdateFrame(0, unannounced));
      unannounced = 0;
    }
  }

  /**
   * Go's client has no windows: only the connection itself can hold it back. One that keeps windows
   * is read on, as its window updates are needed; it stops by itself.
   */
  private void readOrNot() {
    boolean kept = windows == Windows.KEPT;
    if (kept && unconsumed > 16L * MOST_UNCONSUMED && !ended) {
      cutOff("the client has sent more than its window allows, and is cut off");
      return;
    }
    read(ended || kept || unconsumed < MOST_UNCONSUMED);
  }

  /** Sends what may be sent of a stream. */
  void drain(SpdyStream stream) {
    while (!stream.waiting.isEmpty()) {
      ByteBuf head = stream.waiting.element();
      int count = head.readableBytes();
      if (windows != Windows.NONE) {
        count = (int) Math.min(count, Math.min(stream.sendWindow, sessionWindow));
      }
      if (count <= 0) {
        ask();
        return;
      }
      ByteBuf part =
          count == head.readableBytes() ? stream.waiting.remove() : head.readRetainedSlice(count);
      stream.sendWindow -= count;
      sessionWindow -= count;
      send(new DefaultSpdyDataFrame(stream.id(), part));
    }
    if (stream.closing && !stream.closed) {
      stream.closed = true;
      DefaultSpdyDataFrame last = new DefaultSpdyDataFrame(stream.id());
      last.setLast(true);
      send(last);
      forgetIfDone(stream);
    }
    leaveWhenAllIsSaid();
  }

  private void ask() {
    if (windows == Windows.UNKNOWN) {
      windows = Windows.ASKED;
      send(new DefaultSpdyPingFrame(QUESTION));
      later(this::noWindows, ANSWER_MILLIS);
    }
  }

  private void noWindows() {
    if (windows == Windows.ASKED) {
      windows = Windows.NONE;
      drainAll();
    }
  }

  /**
   * Who sends more than the window has none. It is not asked then: its answer would come behind all
   * that it sends, which may not be read before something of ours is.
   */
  private void overrun() {
    if (windows == Windows.UNKNOWN || windows == Windows.ASKED) {
      windows = Windows.NONE;
      drainAll();
    }
  }

  private void ping(int id) {
    if (id % 2 != 0) {
      send(new DefaultSpdyPingFrame(id));
    } else if (id == QUESTION) {
      noWindows();
    }
  }

  private void settings(SpdySettingsFrame frame) {
    if (frame.isSet(SpdySettingsFrame.SETTINGS_INITIAL_WINDOW_SIZE)) {
      int window = frame.getValue(SpdySettingsFrame.SETTINGS_INITIAL_WINDOW_SIZE);
      streams.values().forEach(stream -> stream.sendWindow += window - initialWindow);
      initialWindow = window;
      windows = Windows.KEPT;
      drainAll();
    }
  }

  private void window(int id, int more) {
    windows = Windows.KEPT;
    readOrNot();
    if (id == 0) {
      sessionWindow += more;
    } else {
      SpdyStream stream = streams.get(id);
      if (stream != null) {
        stream.sendWindow += more;
      }
    }
    drainAll();
  }

  private void drainAll() {
    List.copyOf(streams.values()).forEach(this::drain);
    takesOutput();
  }

  private void refuse(int id) {
    send(new DefaultSpdyRstStreamFrame(id, SpdyStreamStatus.PROTOCOL_ERROR));
  }

  private void wasReset(int id) {
    SpdyStream stream = streams.remove(id);
    if (stream != null) {
      stream.drop();
      if (stream.accepted()) {
        stream.receiver().reset();
      }
      closeIfDone();
    }
  }

  void reset(SpdyStream stream) {
    if (streams.remove(stream.id()) != null) {
      stream.drop();
      send(new DefaultSpdyRstStreamFrame(stream.id(), SpdyStreamStatus.CANCEL));
      closeIfDone();
    }
  }

  private void forgetIfDone(SpdyStream stream) {
    if (stream.closed && stream.inputEnded) {
      streams.remove(stream.id());
      closeIfDone();
    }
  }

  private void closeIfDone() {
    if (clientLeaves && streams.isEmpty()) {
      leave();
    }
  }

  /**
   * Says goodbye, after all that was written. The client closes the connection; what it still sends
   * is read and dropped, so that nothing is lost of what it was told.
   */
  void leave() {
    if (ended) {
      return;
    }
    ended = true;
    read(true);
    leaveWhenAllIsSaid();
  }

  private void leaveWhenAllIsSaid() {
    if (!ended
        || saidGoodbye
        || streams.values().stream().anyMatch(stream -> !stream.waiting.isEmpty())) {
      return;
    }
    saidGoodbye = true;
    context()
        .writeAndFlush(new DefaultSpdyGoAwayFrame(lastStream, SpdySessionStatus.OK))
        .addListener(_ -> {
          if (clientLeaves) {
            close();
          } else {
            closeLater();
          }
        });
  }

  private void send(Object frame) {
    var _ = context().writeAndFlush(frame);
  }

  @Override
  void takesOutput() {
    if (!ended) {
      owner.takesOutput();
    }
  }

  @Override
  void gone() {
    ended = true;
    streams.values().forEach(SpdyStream::drop);
    streams.clear();
    owner.gone();
  }
}
