package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A file whose lock one holder has at a time, on the whole machine ({@code flock(2)}). The lock
 * goes with its process, however that ends. Unlike {@code FileChannel}'s locks, two holders within
 * one process exclude each other, too.
 *
 * <p>For one thread at a time.
 */
public final class LockFile implements AutoCloseable {
  /** The lock, until it is closed. */
  public interface Held extends AutoCloseable {
    @Override
    void close();
  }

  private static final LibcFunction FLOCK = LibcFunction.of("flock");

  private static final int LOCK_EXCLUSIVE = 2;
  private static final int LOCK_NO_WAIT = 4;
  private static final int UNLOCK = 8;
  private static final int OWNER_ONLY = 0600;
  private static final long PAUSE_MILLIS = 2;

  private final Path file;
  private final int fd;

  private LockFile(Path file, int fd) {
    this.file = file;
    this.fd = fd;
  }

  /** Opens the file, which is made where it is not there; locks nothing yet. */
  public static LockFile open(Path file) {
    try (FileCalls calls = new FileCalls()) {
      String name =
          new String(
              file.toAbsolutePath().toString().getBytes(StandardCharsets.UTF_8),
              StandardCharsets.ISO_8859_1);
      int fd =
          calls.openat(
              FileCalls.AT_FDCWD, name, FileCalls.O_WRONLY | FileCalls.O_CREAT, OWNER_ONLY);
      if (fd < 0) {
        throw new SystemCallException("open", file.toString(), -fd);
      }
      return new LockFile(file, fd);
    }
  }

  /** The lock; waits for it, also when the thread is interrupted. */
  public Held exclusive() {
    boolean interrupted = false;
    try {
      while (true) {
        Optional<Held> held = tryExclusive();
        if (held.isPresent()) {
          return held.get();
        }
        try {
          // a blocking flock would keep a virtual thread's carrier
          Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException later) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** The lock, where nobody has it. */
  public Optional<Held> tryExclusive() {
    int locked = flock(LOCK_EXCLUSIVE | LOCK_NO_WAIT);
    if (locked == -Errno.EAGAIN) {
      return Optional.empty();
    }
    if (locked < 0) {
      throw new SystemCallException("flock", file.toString(), -locked);
    }
    return Optional.of(() -> {
      int unlocked = flock(UNLOCK);
      if (unlocked < 0) {
        throw new SystemCallException("flock", file.toString(), -unlocked);
      }
    });
  }

  private int flock(int operation) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int result;
      do {
        result = (int) FLOCK.call(errno, fd, operation);
      } while (result < 0 && LibcFunction.errno(errno) == Errno.EINTR);
      return result < 0 ? -LibcFunction.errno(errno) : result;
    }
  }

  @Override
  public void close() {
    try (FileCalls calls = new FileCalls()) {
      calls.closeDescriptor(fd);
    }
  }
}
