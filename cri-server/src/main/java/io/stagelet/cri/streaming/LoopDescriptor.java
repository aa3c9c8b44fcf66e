package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.IoEvent;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoEvent;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.Errors;
import io.netty.channel.unix.FileDescriptor;
import io.stagelet.linux.Errno;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * A descriptor that does not wait (an end of a pipe, a terminal's master, a pidfd) on an event
 * loop. It is watched for changes, not for states: whoever is told that it can be read reads until
 * there is nothing, or comes back by itself.
 *
 * <p>Owns the descriptor. For the loop's thread, but for the constructor.
 */
final class LoopDescriptor implements EpollIoHandle {
  /** From {@link #read} and {@link #write}: the other side is gone. */
  static final int ENDED = -1;

  private static final EpollIoOps CHANGES =
      EpollIoOps.EPOLLIN
          .with(EpollIoOps.EPOLLOUT)
          .with(EpollIoOps.EPOLLRDHUP)
          .with(EpollIoOps.EPOLLET);

  private final FileDescriptor descriptor;
  private final Runnable readable;
  private final Runnable writable;
  private @Nullable IoRegistration registration;
  private boolean closed;

  /**
   * Takes a descriptor over.
   *
   * @param readable called when there may be something to read, or the other side went
   * @param writable called when there may be room to write, or the other side went
   */
  LoopDescriptor(int fd, Runnable readable, Runnable writable) {
    this.descriptor = new FileDescriptor(fd);
    this.readable = readable;
    this.writable = writable;
  }

  /** Begins to watch it; the callbacks are called at least once. */
  void register(IoEventLoop loop) {
    registration = loop.register(this).getNow();
    if (registration == null) {
      throw new IllegalStateException("not on the loop's thread, or the loop has ended");
    }
    registration.submit(CHANGES);
  }

  int number() {
    return descriptor.intValue();
  }

  /**
   * Reads as much as the buffer has room for.
   *
   * @return the number of bytes, 0 when there is nothing now, or {@link #ENDED}
   */
  int read(ByteBuf into) {
    if (closed) {
      return ENDED;
    }
    ByteBuffer room = into.internalNioBuffer(into.writerIndex(), into.writableBytes());
    try {
      int count = descriptor.read(room, room.position(), room.limit());
      if (count > 0) {
        into.writerIndex(into.writerIndex() + count);
      }
      return count < 0 ? ENDED : count;
    } catch (Errors.NativeIoException failure) {
      if (failure.expectedErr() == -Errno.EIO) {
        // a terminal that no program has open any more
        return ENDED;
      }
      throw new IllegalStateException("a descriptor of ours cannot be read", failure);
    } catch (IOException failure) {
      throw new IllegalStateException("a descriptor of ours cannot be read", failure);
    }
  }

  /**
   * Writes what can be written of a direct buffer, and moves its reader index.
   *
   * @return the number of bytes, 0 when there is no room now, or {@link #ENDED}
   */
  int write(ByteBuf from) {
    if (closed) {
      return ENDED;
    }
    ByteBuffer bytes = from.internalNioBuffer(from.readerIndex(), from.readableBytes());
    try {
      int count = descriptor.write(bytes, bytes.position(), bytes.limit());
      if (count > 0) {
        from.skipBytes(count);
      }
      return count;
    } catch (IOException nobodyReads) {
      return ENDED;
    }
  }

  @Override
  public FileDescriptor fd() {
    return descriptor;
  }

  @Override
  public void handle(IoRegistration source, IoEvent event) {
    EpollIoOps happened = ((EpollIoEvent) event).ops();
    boolean onlyWritable = happened.value() == EpollIoOps.EPOLLOUT.value();
    boolean onlyReadable = happened.value() == EpollIoOps.EPOLLIN.value();
    if (!onlyReadable && !closed) {
      writable.run();
    }
    if (!onlyWritable && !closed) {
      readable.run();
    }
  }

  /** Watches it no more, and closes it; done once. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (registration != null) {
      registration.cancel();
    }
    try {
      descriptor.close();
    } catch (IOException failure) {
      throw new IllegalStateException("a descriptor of ours cannot be closed", failure);
    }
  }
}
