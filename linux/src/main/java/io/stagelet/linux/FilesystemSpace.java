package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * How much room a filesystem has ({@code statvfs(3)}).
 *
 * @param bytes in all
 * @param freeBytes those that anybody may still use
 * @param inodes in all; zero where the filesystem makes them as it needs them
 * @param freeInodes likewise
 */
public record FilesystemSpace(long bytes, long freeBytes, long inodes, long freeInodes) {
  private static final int SIZE = 112;
  private static final int FRAGMENT_SIZE = 8;
  private static final int BLOCKS = 16;
  private static final int AVAILABLE_BLOCKS = 32;
  private static final int FILES = 40;
  private static final int AVAILABLE_FILES = 56;

  private static final LibcFunction STATVFS = LibcFunction.of("statvfs");

  /**
   * The room of the filesystem that {@code path} is on.
   *
   * @throws SystemCallException with ENOENT when there is no such path
   */
  public static FilesystemSpace of(Path path) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment name = arena.allocateFrom(path.toString());
      MemorySegment space = arena.allocate(SIZE, Long.BYTES);
      int result = (int) STATVFS.call(errno, name.address(), space.address());
      if (result < 0) {
        throw new SystemCallException("statvfs", path.toString(), LibcFunction.errno(errno));
      }
      long fragment = space.get(ValueLayout.JAVA_LONG, FRAGMENT_SIZE);
      return new FilesystemSpace(
          fragment * space.get(ValueLayout.JAVA_LONG, BLOCKS),
          fragment * space.get(ValueLayout.JAVA_LONG, AVAILABLE_BLOCKS),
          space.get(ValueLayout.JAVA_LONG, FILES),
          space.get(ValueLayout.JAVA_LONG, AVAILABLE_FILES));
    }
  }
}
