package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** One stream of a {@link SpdySession}, opened by the client; for the session's loop. */
final class SpdyStream {
  /** What the client says on it. */
  interface Receiver {
    /** Hands bytes over, and with them the buffer; {@link SpdyStream#consumed} is due for them. */
    void data(ByteBuf bytes);

    /** The client has closed its half. */
    void ended();

    /** The client wants nothing of it any more. */
    void reset();
  }

  private final SpdySession session;
  private final int id;
  private final Map<String, String> headers;
  private @Nullable Receiver receiver;

  // the session's own
  final Queue<ByteBuf> waiting = new ArrayDeque<>();
  int sendWindow;
  int unannounced;
  boolean closing;
  boolean closed;
  boolean inputEnded;
  boolean gone;

  SpdyStream(SpdySession session, int id, Map<String, String> headers, int sendWindow) {
    this.session = session;
    this.id = id;
    this.headers = Map.copyOf(headers);
    this.sendWindow = sendWindow;
  }

  int id() {
    return id;
  }

  /** A header of its opening, empty when there is none; names are in lower case. */
  String header(String name) {
    return headers.getOrDefault(name, "");
  }

  /** Accepts it. */
  void accept(Receiver listener) {
    receiver = listener;
    session.accept(this);
  }

  Receiver receiver() {
    if (receiver == null) {
      throw new IllegalStateException("stream %d was not accepted".formatted(id));
    }
    return receiver;
  }

  boolean accepted() {
    return receiver != null;
  }

  /** Whether it takes more now; {@link SpdySession.Owner#takesOutput} tells when it does again. */
  boolean takesOutput() {
    return session.writable() && waiting.isEmpty();
  }

  /** Sends bytes, and with them goes the buffer. */
  void write(ByteBuf bytes) {
    if (gone || closing || !bytes.isReadable()) {
      bytes.release();
      return;
    }
    waiting.add(bytes);
    session.drain(this);
  }

  /** Closes our half, after what was written. */
  void close() {
    if (!closing) {
      closing = true;
      session.drain(this);
    }
  }

  /** Wants nothing of it any more. */
  void reset() {
    session.reset(this);
  }

  /** So many received bytes are used up. */
  void consumed(int bytes) {
    session.consumed(this, bytes);
  }

  void drop() {
    gone = true;
    waiting.forEach(ByteBuf::release);
    waiting.clear();
  }
}
