package io.stagelet.journal;

import java.nio.ByteBuffer;

/** Hears what a container writes at the moment it is read; see {@link Relay#tap}. */
public interface OutputTap {
  /**
   * Output was read. Called on the relay's thread: must neither block nor throw.
   *
   * @param errors whether it is standard error
   * @param bytes valid during the call only
   */
  void output(boolean errors, ByteBuffer bytes);

  /** No more comes: all was read, or the container is carried no more. Called once. */
  void ended();
}
