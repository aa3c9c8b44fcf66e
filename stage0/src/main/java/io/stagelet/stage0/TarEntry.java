package io.stagelet.stage0;

import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.TreePath;
import java.util.List;

/**
 * A file in a tar archive.
 *
 * @param path where, below the archive's root
 * @param kind what it is
 * @param attributes owner, mode, time and extended attributes
 */
record TarEntry(TreePath path, Kind kind, FileAttributes attributes) {
  /** What an entry is. */
  sealed interface Kind {
    /**
     * A regular file.
     *
     * @param size in bytes, holes included
     * @param extents where the data that follows belongs, in order; the rest is holes
     */
    record File(long size, List<Extent> extents) implements Kind {
      public File {
        extents = List.copyOf(extents);
      }
    }

    /** A directory. */
    record Directory() implements Kind {}

    /**
     * A symbolic link.
     *
     * @param text where it leads, one char per byte, as it was found
     */
    record SymbolicLink(String text) implements Kind {}

    /** Another name of a file. */
    record HardLink(TreePath target) implements Kind {}

    /** A device node. */
    record CharacterDevice(long major, long minor) implements Kind {}

    /** A device node. */
    record BlockDevice(long major, long minor) implements Kind {}

    /** A named pipe. */
    record Fifo() implements Kind {}
  }

  /** A part of a file that has data: bytes from the file's start, and how many. */
  record Extent(long offset, long length) {}
}
