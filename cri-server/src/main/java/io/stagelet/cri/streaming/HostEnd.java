package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;

/** What the client of an exec or attach session talks to; for the session's loop. */
public interface HostEnd {
  /** Begins. Called once and first, unless the client goes before its session has begun. */
  void start(ClientEnd client);

  /** Takes input, and with it the buffer. */
  void input(ByteBuf bytes);

  /** No more input comes. */
  void inputEnded();

  /** The client's terminal has another size. */
  void resize(int columns, int rows);

  /** The client takes output again. */
  void clientTakesOutput();

  /** The client has gone: what runs for it ends. */
  void clientGone();
}
