package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Waits for many descriptors at once ({@code epoll(7)}).
 *
 * <p>One thread waits; {@link #wake} may be called by any thread, the other methods by the waiting
 * thread only.
 */
public final class Epoll implements AutoCloseable {
  public static final int EPOLLIN = 1;
  public static final int EPOLLOUT = 4;
  public static final int EPOLLERR = 8;
  public static final int EPOLLHUP = 0x10;

  /** Reports a change once, instead of a state for as long as it lasts. */
  public static final int EPOLLET = 1 << 31;

  private static final int EPOLL_CLOEXEC = 0x80000;
  private static final int EFD_NONBLOCK_CLOEXEC = 0x80800;
  private static final int EPOLL_CTL_ADD = 1;
  private static final int EPOLL_CTL_DEL = 2;
  private static final int MAXIMUM_EVENTS = 128;

  /** The token of the event that {@link #wake} causes; it is not reported. */
  private static final long WAKE = Long.MIN_VALUE;

  /** {@code struct epoll_event} is packed on x86-64 only. */
  private static final boolean PACKED = System.getProperty("os.arch", "").equals("amd64");

  private static final int EVENT_BYTES = PACKED ? 12 : 16;
  private static final int TOKEN_OFFSET = PACKED ? 4 : 8;

  private static final ValueLayout.OfLong TOKEN = ValueLayout.JAVA_LONG_UNALIGNED;

  private static final LibcFunction EPOLL_CREATE1 = LibcFunction.of("epoll_create1");
  private static final LibcFunction EPOLL_CTL = LibcFunction.of("epoll_ctl");
  private static final LibcFunction EPOLL_WAIT = LibcFunction.of("epoll_wait");
  private static final LibcFunction EVENTFD = LibcFunction.of("eventfd");

  /** Takes the events of one {@link #await}. */
  @FunctionalInterface
  public interface Events {
    /**
     * One descriptor's event.
     *
     * @param token what the descriptor was added with
     * @param events what happened, a sum of {@code EPOLL…} constants
     */
    void take(long token, int events);
  }

  private final DescriptorCalls descriptors = new DescriptorCalls();
  private final Arena arena = Arena.ofAuto();
  private final MemorySegment errno = LibcFunction.errnoSegment(arena);
  private final MemorySegment events =
      arena.allocate((long) EVENT_BYTES * MAXIMUM_EVENTS, Long.BYTES);
  private final MemorySegment event = arena.allocate(EVENT_BYTES, Long.BYTES);
  private final ByteBuffer wakeCount = ByteBuffer.allocateDirect(Long.BYTES);
  private final int epoll;
  private final int wakeUp;

  /** Guards {@link #closed}: a wake-up must not be written to a descriptor that was closed. */
  private final ReentrantLock waking = new ReentrantLock();

  private final DescriptorCalls wakingDescriptors = new DescriptorCalls();
  private final ByteBuffer one =
      ByteBuffer.allocateDirect(Long.BYTES).order(ByteOrder.nativeOrder()).putLong(0, 1);
  private boolean closed;

  /** A set without descriptors. */
  public Epoll() {
    try (CleanupStack undo = new CleanupStack()) {
      int made = (int) EPOLL_CREATE1.call(errno, EPOLL_CLOEXEC);
      epoll = checked(made, "epoll_create1", "a new set");
      undo.push("close the epoll descriptor", () -> descriptors.close(epoll));
      int eventfd = (int) EVENTFD.call(errno, 0, EFD_NONBLOCK_CLOEXEC);
      wakeUp = checked(eventfd, "eventfd", "a new counter");
      undo.push("close the eventfd", () -> descriptors.close(wakeUp));
      control(EPOLL_CTL_ADD, wakeUp, EPOLLIN, WAKE);
      undo.keep();
    } catch (StageletException failure) {
      throw failure;
    }
  }

  /**
   * Watches a descriptor.
   *
   * @param interest a sum of {@code EPOLL…} constants; errors and hang-ups are always reported
   * @param token what its events carry, any number but {@link Long#MIN_VALUE}
   */
  public void add(int fd, int interest, long token) {
    if (token == WAKE) {
      throw new IllegalArgumentException("this token is taken");
    }
    control(EPOLL_CTL_ADD, fd, interest, token);
  }

  /** Watches a descriptor no more. To be called before it is closed. */
  public void remove(int fd) {
    control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /**
   * Waits until there are events, {@link #wake} is called, or the time is over, and hands the
   * events over.
   *
   * @param timeoutMillis 0 for not at all, negative for without end
   */
  public void await(int timeoutMillis, Events taker) {
    int count =
        (int) EPOLL_WAIT.call(errno, epoll, events.address(), MAXIMUM_EVENTS, timeoutMillis);
    if (count < 0) {
      if (LibcFunction.errno(errno) == Errno.EINTR) {
        return;
      }
      throw new SystemCallException("epoll_wait", "descriptor " + epoll, LibcFunction.errno(errno));
    }
    for (int i = 0; i < count; i++) {
      long at = (long) i * EVENT_BYTES;
      long token = events.get(TOKEN, at + TOKEN_OFFSET);
      if (token == WAKE) {
        wakeCount.clear();
        descriptors.read(wakeUp, wakeCount);
      } else {
        taker.take(token, events.get(ValueLayout.JAVA_INT_UNALIGNED, at));
      }
    }
  }

  /** Makes the present or the next {@link #await} return. After {@link #close} it does nothing. */
  public void wake() {
    waking.lock();
    try {
      if (!closed) {
        // a full counter (EAGAIN) is a wake-up that is still to be seen
        wakingDescriptors.write(wakeUp, one.clear());
      }
    } finally {
      waking.unlock();
    }
  }

  /** Closes the set; the descriptors in it stay open. */
  @Override
  public void close() {
    waking.lock();
    try {
      if (!closed) {
        closed = true;
        descriptors.close(wakeUp);
        descriptors.close(epoll);
      }
    } finally {
      waking.unlock();
    }
  }

  private void control(int operation, int fd, int interest, long token) {
    event.set(ValueLayout.JAVA_INT_UNALIGNED, 0, interest);
    event.set(TOKEN, TOKEN_OFFSET, token);
    int result = (int) EPOLL_CTL.call(errno, epoll, operation, fd, event.address());
    checked(result, "epoll_ctl", "descriptor " + fd);
  }

  private int checked(int result, String call, String subject) {
    if (result < 0) {
      throw new SystemCallException(call, subject, LibcFunction.errno(errno));
    }
    return result;
  }
}
