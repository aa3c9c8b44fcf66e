package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Reads many small files of {@code /proc} and {@code /sys}, one after the other: four system calls
 * a file, three fewer where it is absent, and no exception for that. {@link KernelFile} is for one
 * file whose absence is an error.
 *
 * <p>An instance holds the room that the calls need: it serves one thread at a time.
 */
public final class KernelReader {
  private static final int ROOM = 64 << 10;
  private static final int LONGEST_PATH = 4096;
  private static final int OPEN_READ_ONLY = 0x80000; // O_RDONLY | O_CLOEXEC

  private static final LibcFunction OPEN = LibcFunction.of("open");
  private static final LibcFunction READ = LibcFunction.of("read");
  private static final LibcFunction CLOSE = LibcFunction.of("close");

  private final Arena arena = Arena.ofAuto();
  private final MemorySegment errno = LibcFunction.errnoSegment(arena);
  private final MemorySegment path = arena.allocate(LONGEST_PATH);
  private final MemorySegment room = arena.allocate(ROOM);

  /**
   * The text of a file, without white space around it, and at most 64 KiB of it; empty when it
   * cannot be read.
   */
  public String text(Path file) {
    byte[] name = file.toString().getBytes(StandardCharsets.UTF_8);
    if (name.length >= LONGEST_PATH) {
      return "";
    }
    MemorySegment.copy(name, 0, path, ValueLayout.JAVA_BYTE, 0, name.length);
    path.set(ValueLayout.JAVA_BYTE, name.length, (byte) 0);
    int fd = (int) OPEN.call(errno, path.address(), OPEN_READ_ONLY);
    if (fd < 0) {
      return "";
    }
    int length = 0;
    try {
      // the kernel gives long files in pieces
      for (long count = read(fd, length); count > 0; count = read(fd, length)) {
        length += (int) count;
      }
    } finally {
      // nothing was written: there is nothing that a failure could lose
      CLOSE.call(errno, fd);
    }
    byte[] text = new byte[length];
    MemorySegment.copy(room, ValueLayout.JAVA_BYTE, 0, text, 0, length);
    return new String(text, StandardCharsets.UTF_8).strip();
  }

  private long read(int fd, int from) {
    long count;
    do {
      count = READ.call(errno, fd, room.address() + from, ROOM - from);
    } while (count < 0 && LibcFunction.errno(errno) == Errno.EINTR);
    return count;
  }
}
