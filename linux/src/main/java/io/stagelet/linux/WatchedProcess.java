package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A process that somebody else waits for, and whose end the kernel tells here as well, from Linux
 * 6.15 on: {@code PIDFD_GET_INFO} with {@code PIDFD_INFO_EXIT} ({@code ioctl_pidfd(2)}).
 */
public final class WatchedProcess implements AutoCloseable {
  private static final LibcFunction SYSCALL = LibcFunction.of("syscall");
  private static final LibcFunction IOCTL = LibcFunction.of("ioctl");

  /** One number for all architectures (asm-generic). */
  private static final int PIDFD_OPEN = 434;

  /** _IOWR(0xFF, 11, struct pidfd_info), as long as its first version is. */
  private static final long PIDFD_GET_INFO = 0xC040FF0BL;

  private static final int INFO_BYTES = 64;
  private static final int INFO_EXIT_CODE = 60;
  private static final long PIDFD_INFO_EXIT = 1 << 3;

  private static final int MAJOR = 6;
  private static final int MINOR = 15;

  private final int pid;
  private final int pidfd;
  private boolean closed;

  private WatchedProcess(int pid, int pidfd) {
    this.pid = pid;
    this.pidfd = pidfd;
  }

  /** Whether this kernel tells ends at all. */
  public static boolean areEndsTold() {
    String[] version = System.getProperty("os.version").split("[^0-9]", 3);
    int major = Integer.parseInt(version[0]);
    return major > MAJOR || (major == MAJOR && Integer.parseInt(version[1]) >= MINOR);
  }

  /** Begins to watch a process; empty when it is reaped already, or descriptors are used up. */
  public static Optional<WatchedProcess> of(int pid) {
    try (Arena arena = Arena.ofConfined()) {
      long fd = SYSCALL.call(LibcFunction.errnoSegment(arena), PIDFD_OPEN, pid, 0);
      return fd < 0 ? Optional.empty() : Optional.of(new WatchedProcess(pid, (int) fd));
    }
  }

  /** Its process id. */
  public int pid() {
    return pid;
  }

  /**
   * How it ended, as {@code wait(2)} says it: 256 times its exit code, or the signal in the lower
   * seven bits. Empty as long as nobody has reaped it, after {@link #close}, and on older kernels.
   */
  public synchronized OptionalInt end() {
    if (closed) {
      return OptionalInt.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(INFO_BYTES, Long.BYTES);
      info.set(ValueLayout.JAVA_LONG, 0, PIDFD_INFO_EXIT);
      long result =
          IOCTL.call(LibcFunction.errnoSegment(arena), pidfd, PIDFD_GET_INFO, info.address());
      boolean told =
          (int) result == 0 && (info.get(ValueLayout.JAVA_LONG, 0) & PIDFD_INFO_EXIT) != 0;
      return told
          ? OptionalInt.of(info.get(ValueLayout.JAVA_INT, INFO_EXIT_CODE))
          : OptionalInt.empty();
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      Descriptors.close(pidfd);
    }
  }
}
