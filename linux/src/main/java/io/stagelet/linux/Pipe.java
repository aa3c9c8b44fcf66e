package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A pipe ({@code pipe(7)}); both ends are closed in programs this process runs, unless they are
 * given to them. Whoever makes it closes both.
 *
 * @param readingEnd where its bytes come out
 * @param writingEnd where they go in
 */
public record Pipe(int readingEnd, int writingEnd) {
  private static final int O_CLOEXEC = 0x80000;
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final LibcFunction PIPE2 = LibcFunction.of("pipe2");

  /** A pipe whose ends both wait. */
  public static Pipe open() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment ends = arena.allocate(INT, 2);
      int result = (int) PIPE2.call(errno, ends.address(), O_CLOEXEC);
      if (result < 0) {
        throw new SystemCallException("pipe2", "a new pipe", LibcFunction.errno(errno));
      }
      return new Pipe(ends.getAtIndex(INT, 0), ends.getAtIndex(INT, 1));
    } catch (StageletException failure) {
      throw failure;
    }
  }
}
