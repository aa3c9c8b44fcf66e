package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.IoEventLoop;
import org.jspecify.annotations.Nullable;

/**
 * Carries what comes out of a descriptor, for as long as its sink has room; for the loop's thread.
 */
final class OutputPump {
  /** What a pipe holds. */
  private static final int CHUNK = 64 << 10;

  /** After so many reads others have their turn. */
  private static final int TURN = 8;

  /** Where it goes. */
  interface Sink {
    /** Whether it takes more now; if not, {@link OutputPump#pump} is called when it does. */
    boolean hasRoom();

    /** Hands bytes over, and with them the buffer. */
    void bytes(ByteBuf bytes);

    /** No more comes; called once. */
    void ended();
  }

  private final IoEventLoop loop;
  private final LoopDescriptor source;
  private final Sink sink;
  private boolean lastCall;
  private boolean ended;
  private boolean scheduled;

  OutputPump(IoEventLoop loop, LoopDescriptor source, Sink sink) {
    this.loop = loop;
    this.source = source;
    this.sink = sink;
  }

  /** From now on it ends when there is nothing to read, also when a writer is left. */
  void lastCall() {
    lastCall = true;
    pump();
  }

  /** Carries what there is. */
  void pump() {
    for (int turn = 0; !ended; turn++) {
      if (!sink.hasRoom()) {
        return;
      }
      if (turn == TURN) {
        comeBack();
        return;
      }
      ByteBuf bytes = readOnce();
      if (bytes == null) {
        return;
      }
      sink.bytes(bytes);
    }
  }

  private @Nullable ByteBuf readOnce() {
    ByteBuf bytes = PooledByteBufAllocator.DEFAULT.directBuffer(CHUNK, CHUNK);
    int count = source.read(bytes);
    if (count > CHUNK / 4) {
      return bytes;
    }
    try {
      if (count > 0) {
        // what waits for a slow client is to take no more room than it needs
        return PooledByteBufAllocator.DEFAULT.directBuffer(count).writeBytes(bytes);
      }
    } finally {
      bytes.release();
    }
    if (count == LoopDescriptor.ENDED || lastCall) {
      ended = true;
      sink.ended();
    }
    return null;
  }

  private void comeBack() {
    if (!scheduled) {
      scheduled = true;
      loop.execute(() -> {
        scheduled = false;
        pump();
      });
    }
  }
}
