package io.stagelet.units;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A job somebody waits for. It is there before the call that makes the job, because systemd's
 * signal that the job has ended can be handled before the reply that names the job; ends of unknown
 * jobs on the unit are kept until then.
 */
final class PendingJob {
  private final UnitName unit;
  private final boolean starts;
  private final Map<String, String> endedBeforeKnown = new HashMap<>();
  private final CompletableFuture<String> result = new CompletableFuture<>();
  private @Nullable String path;

  PendingJob(UnitName unit, boolean starts) {
    this.unit = unit;
    this.starts = starts;
  }

  UnitName unit() {
    return unit;
  }

  /** Whether it is a start, not a stop. */
  boolean starts() {
    return starts;
  }

  /** How the job ended, in systemd's word. */
  CompletableFuture<String> result() {
    return result;
  }

  /** The job's path, once the reply has come. */
  synchronized @Nullable String path() {
    return path;
  }

  /** The reply has come. */
  synchronized void isCalled(String jobPath) {
    path = jobPath;
    String early = endedBeforeKnown.get(jobPath);
    if (early != null) {
      result.complete(early);
    }
    endedBeforeKnown.clear();
  }

  /** A job on the unit has ended. */
  synchronized void ended(String jobPath, String how) {
    if (path == null) {
      endedBeforeKnown.put(jobPath, how);
    } else if (path.equals(jobPath)) {
      result.complete(how);
    }
  }
}
