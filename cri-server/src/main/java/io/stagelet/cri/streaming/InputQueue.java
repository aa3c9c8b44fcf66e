package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Input on its way into a descriptor that may be full, or not there yet; for the loop's thread.
 * What nobody reads any more is dropped.
 */
final class InputQueue {
  private final Queue<ByteBuf> waiting = new ArrayDeque<>();
  private final IntConsumer consumed;
  private @Nullable LoopDescriptor target;
  private @Nullable Runnable whenDrained;
  private boolean dropping;

  /**
   * An empty queue.
   *
   * @param consumed told of every byte that was written or dropped
   */
  InputQueue(IntConsumer consumed) {
    this.consumed = consumed;
  }

  /** Where it goes from now on. */
  void open(LoopDescriptor descriptor) {
    target = descriptor;
    drain();
  }

  /** Takes bytes, and with them the buffer. */
  void add(ByteBuf bytes) {
    if (dropping) {
      drop(bytes);
      return;
    }
    waiting.add(direct(bytes));
    drain();
  }

  /** Runs {@code then} when all that was added is written or dropped. */
  void end(Runnable then) {
    whenDrained = then;
    drain();
  }

  /** Drops what waits and what still comes. */
  void drop() {
    dropping = true;
    for (ByteBuf bytes = waiting.poll(); bytes != null; bytes = waiting.poll()) {
      drop(bytes);
    }
    drain();
  }

  /** Writes what can be written. */
  void drain() {
    LoopDescriptor descriptor = target;
    while (descriptor != null && !waiting.isEmpty()) {
      ByteBuf bytes = waiting.element();
      int count = descriptor.write(bytes);
      if (count == 0) {
        return;
      }
      if (count == LoopDescriptor.ENDED) {
        drop();
        return;
      }
      if (!bytes.isReadable()) {
        waiting.remove().release();
      }
      consumed.accept(count);
    }
    Runnable then = whenDrained;
    if (then != null && waiting.isEmpty() && (descriptor != null || dropping)) {
      whenDrained = null;
      then.run();
    }
  }

  private void drop(ByteBuf bytes) {
    int count = bytes.readableBytes();
    bytes.release();
    consumed.accept(count);
  }

  private static ByteBuf direct(ByteBuf bytes) {
    if (bytes.isDirect() && bytes.nioBufferCount() == 1) {
      return bytes;
    }
    ByteBuf copy =
        PooledByteBufAllocator.DEFAULT
            .directBuffer(Math.max(1, bytes.readableBytes()))
            .writeBytes(bytes);
    bytes.release();
    return copy;
  }
}
