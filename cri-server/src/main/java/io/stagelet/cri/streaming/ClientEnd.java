package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;

/** The client of an exec or attach session, as its other end sees it; for the session's loop. */
public interface ClientEnd {
  /** Whether it takes output now; {@link HostEnd#clientTakesOutput} tells when it does again. */
  boolean takesOutputNow();

  /** Hands output over, and with it the buffer. What comes although it takes none is kept. */
  void output(Output stream, ByteBuf bytes);

  /** So many bytes of its input have been used up. */
  void inputConsumed(int bytes);

  /** The session is over; called once, also when the client has gone. */
  void finish(Ending ending);
}
