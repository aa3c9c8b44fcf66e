package io.stagelet.stage1.oci;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes all that is in a control group stand still ({@code cgroup.freeze}). */
final class Freezer {
  private static final Logger LOG = LoggerFactory.getLogger(Freezer.class);
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final Duration POLL = Duration.ofMillis(5);

  private final Path cgroup;

  Freezer(Path cgroup) {
    this.cgroup = cgroup;
  }

  /**
   * Freezes it, and waits until all stands still.
   *
   * @throws StageletException {@code DEADLINE_EXCEEDED} when a process hangs in the kernel
   */
  void freeze() {
    write("1");
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    try {
      while (!Files.readString(cgroup.resolve("cgroup.events")).contains("frozen 1")) {
        if (System.nanoTime() > deadline) {
          throw new StageletException(
              ErrorCode.DEADLINE_EXCEEDED,
              "what is in %s does not stand still after %d s; a process of it hangs in the kernel"
                  .formatted(cgroup, PATIENCE.toSeconds()));
        }
        Thread.sleep(POLL);
      }
    } catch (IOException failure) {
      throw failed(failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED,
          "the caller went away while %s froze".formatted(cgroup),
          interrupted);
    }
  }

  /** Lets it go on; fine when it does, and when it is gone. */
  void thaw() {
    try {
      if (Files.readString(cgroup.resolve("cgroup.freeze")).startsWith("1")) {
        write("0");
      }
    } catch (NoSuchFileException gone) {
      LOG.debug("{} is gone", cgroup);
    } catch (IOException failure) {
      throw failed(failure);
    }
  }

  private void write(String value) {
    try {
      Files.writeString(cgroup.resolve("cgroup.freeze"), value);
    } catch (IOException failure) {
      throw failed(failure);
    }
  }

  private StageletException failed(IOException failure) {
    return new StageletException(
        ErrorCode.INTERNAL,
        "could not freeze or thaw %s: %s".formatted(cgroup, StageletException.reason(failure)),
        failure);
  }
}
