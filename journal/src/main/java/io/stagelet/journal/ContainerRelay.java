package io.stagelet.journal;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** Both streams of a container, and the log file that they share; for the relay's thread. */
final class ContainerRelay {
  /** How a container's output ended. */
  enum End {
    /** All writers have gone, and all they wrote is in the journal and in kubelet's file. */
    COMPLETE,
    /** The grace was over while a writer was left; what was written until then is delivered. */
    WRITERS_LEFT,
    /** The grace was over while the journal or the file took nothing; delivery goes on. */
    UNDELIVERED
  }

  private final ContainerOutput output;
  private final @Nullable LogFile log;
  private final List<StreamRelay> streams;

  /** Completed with how the output ended, once somebody asked for its end. */
  private final CompletableFuture<End> end = new CompletableFuture<>();

  /** Completed when nothing of the container is held any more. */
  private final CompletableFuture<Void> released = new CompletableFuture<>();

  /** Completed when its FIFOs are deleted and its descriptors not kept any more. */
  private final CompletableFuture<Void> forgotten = new CompletableFuture<>();

  private final List<OutputTap> taps = new ArrayList<>();
  private boolean settled;
  private boolean finishing;
  private boolean abandoned;
  private @Nullable String settlingFailure;

  /** By {@link System#nanoTime}. */
  private long finishBy;

  private long stuckSince;
  private boolean stuck;

  ContainerRelay(ContainerOutput output, @Nullable LogFile log, List<StreamRelay> streams) {
    this.output = output;
    this.log = log;
    this.streams = List.copyOf(streams);
  }

  ContainerOutput output() {
    return output;
  }

  List<StreamRelay> streams() {
    return streams;
  }

  /** Lets {@code tap} hear what is read from now on. */
  void tap(OutputTap tap) {
    if (released.isDone()) {
      tap.ended();
    } else {
      streams.forEach(stream -> stream.taps().add(tap));
      taps.add(tap);
    }
  }

  /** Lets it hear no more. */
  void untap(OutputTap tap) {
    streams.forEach(stream -> stream.taps().remove(tap));
    taps.remove(tap);
  }

  private void endTaps() {
    for (OutputTap tap : List.copyOf(taps)) {
      untap(tap);
      tap.ended();
    }
  }

  CompletableFuture<End> end() {
    return end;
  }

  CompletableFuture<Void> released() {
    return released;
  }

  CompletableFuture<Void> forgotten() {
    return forgotten;
  }

  /**
   * Settles what an earlier relay left in doubt in the log file, before anything is appended to it.
   *
   * @return whether all is settled; if not, to be called again later
   */
  boolean settle() {
    if (settled) {
      return true;
    }
    try {
      for (StreamRelay stream : streams) {
        if (stream.appendInDoubt()) {
          stream.settleAppend();
        }
      }
      settled = true;
      settlingFailure = null;
    } catch (StageletException failure) {
      settlingFailure = StageletException.reason(failure);
    }
    return settled;
  }

  /** Lines after this go to the file that is at the log path now. */
  void reopenLog() {
    if (log != null) {
      log.reopen();
    }
  }

  /** The container has ended; its writers have until {@code deadline} ({@link System#nanoTime}). */
  void finish(long deadline) {
    finishing = true;
    finishBy = deadline;
    streams.forEach(StreamRelay::finish);
  }

  boolean finishing() {
    return finishing;
  }

  /** Whether the grace is still running. */
  boolean inGrace() {
    return finishing && !abandoned;
  }

  long finishBy() {
    return finishBy;
  }

  /** The grace is over. */
  void abandon() {
    abandoned = true;
    streams.forEach(StreamRelay::abandon);
  }

  /** Whether all output came to its end and is everywhere. */
  boolean finished() {
    return finishing && settled && streams.stream().allMatch(StreamRelay::finished);
  }

  /** How it ended, after {@link #finished}. */
  End howItEnded() {
    return streams.stream().allMatch(StreamRelay::hungUp) ? End.COMPLETE : End.WRITERS_LEFT;
  }

  /** Why its file or its spool takes nothing, if so. */
  Optional<String> stuckReason() {
    if (settlingFailure != null) {
      return Optional.of(settlingFailure);
    }
    return streams.stream().flatMap(stream -> stream.stuckReason().stream()).findFirst();
  }

  /** Notes that it is stuck, and tells whether that is new. */
  boolean becomesStuck(long now) {
    boolean news = !stuck;
    if (news) {
      stuck = true;
      stuckSince = now;
    }
    return news;
  }

  /** Notes that it is not stuck, and tells for how many nanoseconds it was; 0 if it was not. */
  long becomesFree(long now) {
    if (!stuck) {
      return 0;
    }
    stuck = false;
    return Math.max(1, now - stuckSince);
  }

  /** Closes all, and deletes the spools where {@code delete} says so; done once. */
  void release(DescriptorCalls descriptors, boolean delete) {
    if (released.isDone()) {
      return;
    }
    try {
      for (StreamRelay stream : streams) {
        if (delete) {
          stream.delete(descriptors);
        } else {
          stream.close(descriptors);
        }
      }
      if (log != null) {
        log.close();
      }
    } finally {
      endTaps();
      released.complete(null);
    }
  }
}
