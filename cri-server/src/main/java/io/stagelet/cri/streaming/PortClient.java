package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;

/** The client of one forwarded connection, as the pod's side sees it; for the session's loop. */
interface PortClient {
  /** Whether it takes more now; {@link PodConnection#clientTakesOutput} tells when it does. */
  boolean takesOutputNow();

  /** Hands bytes over, and with them the buffer. */
  void output(ByteBuf bytes);

  /** The pod has closed its half. */
  void outputEnded();

  /** So many bytes of its input have been used up. */
  void inputConsumed(int bytes);

  /**
   * It is over. Called once, and last.
   *
   * @param failure why there was no connection at all; empty when there was one
   */
  void finish(String failure);
}
