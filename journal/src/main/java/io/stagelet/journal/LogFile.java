package io.stagelet.journal;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * kubelet's log file of one container, which both its streams append to. Never flushed: a power cut
 * may cost the last lines, a crash of this program none.
 *
 * <p>kubelet renames the file and then asks for {@link #reopen}. A file that was deleted is made
 * again before the next line.
 *
 * <p>For one thread at a time.
 */
final class LogFile implements AutoCloseable {
  private static final int FLAGS =
      DescriptorCalls.O_WRONLY | DescriptorCalls.O_APPEND | DescriptorCalls.O_CREAT;

  /** As containerd makes it. */
  private static final int MODE = 0640;

  private static final int CLOSED = -1;

  private final Path path;
  private final DescriptorCalls descriptors = new DescriptorCalls();
  private int file = CLOSED;

  /** The file at this path; it is not opened yet. */
  LogFile(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  /**
   * Makes sure that there is an open file which has a name, and tells what it is.
   *
   * @throws StageletException when it cannot be opened
   */
  DescriptorCalls.Status prepare() {
    if (file == CLOSED) {
      reopen();
    }
    DescriptorCalls.Status status = descriptors.status(file);
    if (status.links() == 0) {
      reopen();
      status = descriptors.status(file);
    }
    return status;
  }

  /**
   * Opens the file that is at the path now, or makes it, with its directory; what follows goes
   * there. After a failure the old one stays in use.
   */
  void reopen() {
    Path directory = path.toAbsolutePath().getParent();
    try {
      if (directory != null) {
        Files.createDirectories(directory);
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make the directory of the log file %s: %s"
              .formatted(path, StageletException.reason(failure)),
          failure);
    }
    use(descriptors.open(path, FLAGS, MODE));
  }

  /**
   * Opens the file with this identity, whether it has its name still or was renamed within its
   * directory.
   *
   * @return whether there is one; if not, nothing was opened
   */
  boolean openThat(long device, long inode) {
    if (openIfThat(path, device, inode)) {
      return true;
    }
    Path directory = path.toAbsolutePath().getParent();
    if (directory == null || !Files.isDirectory(directory)) {
      return false;
    }
    try (DirectoryStream<Path> siblings = Files.newDirectoryStream(directory)) {
      for (Path sibling : siblings) {
        if (openIfThat(sibling, device, inode)) {
          return true;
        }
      }
      return false;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not list %s to find a renamed log file: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  private boolean openIfThat(Path candidate, long device, long inode) {
    if (!Files.isRegularFile(candidate, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    int opened =
        descriptors.open(candidate, DescriptorCalls.O_WRONLY | DescriptorCalls.O_APPEND, 0);
    DescriptorCalls.Status status = descriptors.status(opened);
    if (status.device() == device && status.inode() == inode) {
      use(opened);
      return true;
    }
    descriptors.close(opened);
    return false;
  }

  /**
   * Appends the rest of a buffer, as far as the system takes it.
   *
   * @return 0 when all was taken, otherwise {@code -errno}; the buffer's position tells how far it
   *     came
   */
  int append(ByteBuffer lines) {
    while (lines.hasRemaining()) {
      int count = descriptors.write(file, lines);
      if (count < 0) {
        return count;
      }
    }
    return 0;
  }

  /** Cuts the file off at this length. */
  void truncate(long length) {
    descriptors.truncate(file, length);
  }

  private void use(int opened) {
    close();
    file = opened;
  }

  @Override
  public void close() {
    if (file != CLOSED) {
      int old = file;
      file = CLOSED;
      descriptors.close(old);
    }
  }
}
