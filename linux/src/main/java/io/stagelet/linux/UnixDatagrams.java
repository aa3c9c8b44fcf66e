package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A datagram socket of {@code unix(7)} whose datagrams can carry descriptors ({@code SCM_RIGHTS}),
 * which Java's own channels cannot.
 *
 * <p>An address is a path, or a name in the abstract namespace with {@code @} for its first, zero
 * byte.
 */
public final class UnixDatagrams implements AutoCloseable {
  /** The most descriptors one datagram carries ({@code SCM_MAX_FD} of the kernel). */
  public static final int MOST_DESCRIPTORS = 253;

  /**
   * A datagram.
   *
   * @param payload its bytes
   * @param descriptors those that came with it, closed in programs this process runs; the receiver
   *     owns them
   */
  public record Received(byte[] payload, List<Integer> descriptors) {
    public Received {
      descriptors = List.copyOf(descriptors);
    }
  }

  private static final int AF_UNIX = 1;
  private static final int SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;
  private static final int MSG_DONTWAIT = 0x40;
  private static final int MSG_CTRUNC = 0x8;
  private static final int MSG_TRUNC = 0x20;
  private static final short POLLIN = 1;
  private static final int SUN_PATH = 108;
  private static final int CONTROL_HEADER = 16;
  private static final int LARGEST = 256 * 1024;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;

  /** {@code struct msghdr} of 64-bit Linux. */
  private static final MemoryLayout MESSAGE =
      MemoryLayout.structLayout(
          ValueLayout.ADDRESS.withName("name"),
          INT.withName("namelen"),
          MemoryLayout.paddingLayout(4),
          ValueLayout.ADDRESS.withName("iov"),
          LONG.withName("iovlen"),
          ValueLayout.ADDRESS.withName("control"),
          LONG.withName("controllen"),
          INT.withName("flags"),
          MemoryLayout.paddingLayout(4));

  private static final long NAME = offset("name");
  private static final long NAME_LENGTH = offset("namelen");
  private static final long VECTOR = offset("iov");
  private static final long VECTOR_LENGTH = offset("iovlen");
  private static final long CONTROL = offset("control");
  private static final long CONTROL_LENGTH = offset("controllen");
  private static final long FLAGS = offset("flags");

  private static final LibcFunction SOCKET = LibcFunction.of("socket");
  private static final LibcFunction BIND = LibcFunction.of("bind");
  private static final LibcFunction SENDMSG = LibcFunction.of("sendmsg");
  private static final LibcFunction RECVMSG = LibcFunction.of("recvmsg");
  private static final LibcFunction POLL = LibcFunction.of("poll");

  private final int socket;
  private final String address;
  private boolean open = true;

  private UnixDatagrams(int socket, String address) {
    this.socket = socket;
    this.address = address;
  }

  /** A socket that only sends. */
  public static UnixDatagrams unbound() {
    return new UnixDatagrams(newSocket(), "an unbound datagram socket");
  }

  /**
   * A socket that receives at {@code address}. A path is made, and left behind at {@link #close}.
   *
   * @throws SystemCallException when the address is taken or cannot be made
   */
  public static UnixDatagrams bound(String address) {
    int socket = newSocket();
    try (CleanupStack undo = new CleanupStack();
        Arena arena = Arena.ofConfined()) {
      undo.push("close the socket for " + address, () -> Descriptors.close(socket));
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment name = name(arena, address);
      check(
          (int) BIND.call(errno, socket, name.address(), name.byteSize()), errno, "bind", address);
      undo.keep();
      return new UnixDatagrams(socket, address);
    }
  }

  /**
   * Sends one datagram; waits while the receiver's queue is full.
   *
   * @param address where to
   * @param payload its bytes; the kernel refuses more than the socket's send buffer holds (some 200
   *     KiB)
   * @param descriptors go along as duplicates; the caller keeps and closes its own
   * @throws SystemCallException when nobody listens there or it is refused
   */
  public synchronized void send(String address, byte[] payload, int... descriptors) {
    if (descriptors.length > MOST_DESCRIPTORS) {
      throw new IllegalArgumentException(
          "%d descriptors do not fit into one datagram, %d do"
              .formatted(descriptors.length, MOST_DESCRIPTORS));
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment message = arena.allocate(MESSAGE);
      MemorySegment name = name(arena, address);
      message.set(ValueLayout.ADDRESS, NAME, name);
      message.set(INT, NAME_LENGTH, (int) name.byteSize());
      MemorySegment bytes = arena.allocate(Math.max(payload.length, 1));
      MemorySegment.copy(payload, 0, bytes, ValueLayout.JAVA_BYTE, 0, payload.length);
      setVector(arena, message, bytes, payload.length);
      if (descriptors.length > 0) {
        MemorySegment control = arena.allocate(controlSpace(descriptors.length), 8);
        control.set(LONG, 0, CONTROL_HEADER + 4L * descriptors.length);
        control.set(INT, 8, SOL_SOCKET);
        control.set(INT, 12, SCM_RIGHTS);
        MemorySegment.copy(descriptors, 0, control, INT, CONTROL_HEADER, descriptors.length);
        message.set(ValueLayout.ADDRESS, CONTROL, control);
        message.set(LONG, CONTROL_LENGTH, control.byteSize());
      }
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      long sent = -1;
      while (sent < 0) {
        sent = SENDMSG.call(errno, openSocket(), message.address(), MSG_NOSIGNAL);
        if (sent < 0 && LibcFunction.errno(errno) != Errno.EINTR) {
          throw new SystemCallException("sendmsg", address, LibcFunction.errno(errno));
        }
      }
    }
  }

  /**
   * Takes the next datagram, of at most 256 KiB and {@value #MOST_DESCRIPTORS} descriptors.
   *
   * @param patience how long to wait for one
   * @throws StageletException {@code DEADLINE_EXCEEDED} when none came, {@code DATA_LOSS} when one
   *     came that is larger
   */
  public Received receive(Duration patience) {
    try (Arena arena = Arena.ofConfined()) {
      awaitInput(arena, patience);
      MemorySegment message = arena.allocate(MESSAGE);
      MemorySegment bytes = arena.allocate(LARGEST);
      setVector(arena, message, bytes, LARGEST);
      MemorySegment control = arena.allocate(controlSpace(MOST_DESCRIPTORS), 8);
      message.set(ValueLayout.ADDRESS, CONTROL, control);
      message.set(LONG, CONTROL_LENGTH, control.byteSize());
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      long count =
          RECVMSG.call(errno, openSocket(), message.address(), MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
      if (count < 0) {
        throw new SystemCallException("recvmsg", address, LibcFunction.errno(errno));
      }
      List<Integer> descriptors =
          descriptors(control.asSlice(0, message.get(LONG, CONTROL_LENGTH)));
      if ((message.get(INT, FLAGS) & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        descriptors.forEach(Descriptors::close);
        throw new StageletException(
            ErrorCode.DATA_LOSS,
            "a datagram at %s was too large to be received whole".formatted(address));
      }
      return new Received(bytes.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), descriptors);
    }
  }

  /** Closes the socket; nothing more after that. */
  @Override
  public synchronized void close() {
    if (open) {
      open = false;
      Descriptors.close(socket);
    }
  }

  private synchronized int openSocket() {
    if (!open) {
      throw new IllegalStateException("the socket of %s is closed".formatted(address));
    }
    return socket;
  }

  private void awaitInput(Arena arena, Duration patience) {
    MemorySegment poll = arena.allocate(8, 4);
    poll.set(INT, 0, openSocket());
    poll.set(SHORT, 4, POLLIN);
    MemorySegment errno = LibcFunction.errnoSegment(arena);
    int milliseconds = (int) Math.min(Integer.MAX_VALUE, patience.toMillis());
    int ready = (int) POLL.call(errno, poll.address(), 1, milliseconds);
    if (ready < 0) {
      throw new SystemCallException("poll", address, LibcFunction.errno(errno));
    }
    if (ready == 0) {
      throw new StageletException(
          ErrorCode.DEADLINE_EXCEEDED,
          "no datagram came to %s within %s".formatted(address, patience));
    }
  }

  /** All control messages, as {@code cmsg(3)} lays them out: each aligned to 8 bytes. */
  private static List<Integer> descriptors(MemorySegment control) {
    List<Integer> found = new ArrayList<>();
    long at = 0;
    while (at + CONTROL_HEADER <= control.byteSize()) {
      long length = control.get(LONG, at);
      if (length < CONTROL_HEADER) {
        break;
      }
      if (control.get(INT, at + 8) == SOL_SOCKET && control.get(INT, at + 12) == SCM_RIGHTS) {
        for (long i = at + CONTROL_HEADER; i + 4 <= at + length; i += 4) {
          found.add(control.get(INT, i));
        }
      }
      at += (length + 7) & ~7L;
    }
    return found;
  }

  private static void setVector(
      Arena arena, MemorySegment message, MemorySegment bytes, long length) {
    MemorySegment vector = arena.allocate(16, 8);
    vector.set(ValueLayout.ADDRESS, 0, bytes);
    vector.set(LONG, 8, length);
    message.set(ValueLayout.ADDRESS, VECTOR, vector);
    message.set(LONG, VECTOR_LENGTH, 1);
  }

  private static long controlSpace(int descriptors) {
    return CONTROL_HEADER + ((4L * descriptors + 7) & ~7L);
  }

  /**
   * {@code struct sockaddr_un}, exactly as long as the address needs: an abstract name has no end
   * mark.
   */
  private static MemorySegment name(Arena arena, String address) {
    byte[] text = address.getBytes(StandardCharsets.UTF_8);
    boolean isAbstract = address.startsWith("@");
    int length = isAbstract ? text.length : text.length + 1;
    if (text.length == 0 || length > SUN_PATH || address.indexOf('\0') >= 0) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is no address of a unix socket: it has 1 to %d bytes, none of them zero"
              .formatted(address, SUN_PATH - 1));
    }
    MemorySegment name = arena.allocate(2L + length, 2);
    name.set(SHORT, 0, (short) AF_UNIX);
    MemorySegment.copy(text, 0, name, ValueLayout.JAVA_BYTE, 2, text.length);
    if (isAbstract) {
      name.set(ValueLayout.JAVA_BYTE, 2, (byte) 0);
    }
    return name;
  }

  private static int newSocket() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      return check(
          (int) SOCKET.call(errno, AF_UNIX, SOCK_DGRAM_CLOEXEC, 0), errno, "socket", "AF_UNIX");
    }
  }

  private static long offset(String field) {
    return MESSAGE.byteOffset(MemoryLayout.PathElement.groupElement(field));
  }

  private static int check(int result, MemorySegment errno, String call, String subject) {
    if (result < 0) {
      throw new SystemCallException(call, subject, LibcFunction.errno(errno));
    }
    return result;
  }
}
