package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Work that a thread of its own has begun before anybody needs what comes of it: a start that waits
 * for systemd and for other programs does something else meanwhile. Safe for any thread.
 */
final class Ahead<T> {
  private final FutureTask<T> work;

  private Ahead(FutureTask<T> work) {
    this.work = work;
  }

  /**
   * Begins.
   *
   * @param what names the thread
   */
  static <T> Ahead<T> of(String what, Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread.ofVirtual().name(what).start(task);
    return new Ahead<>(task);
  }

  /**
   * What came of it, once it is done.
   *
   * @throws StageletException {@code CANCELLED} when this thread is interrupted before; and
   *     whatever the work has thrown
   */
  T get() {
    try {
      return work.get();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED, "the server is stopped before it has started", interrupted);
    } catch (ExecutionException failure) {
      switch (failure.getCause()) {
        case RuntimeException unchecked -> throw unchecked;
        case Error error -> throw error;
        case null, default ->
            throw new StageletException(
                ErrorCode.INTERNAL, StageletException.reason(failure), failure);
      }
    }
  }

  /** What came of it, once it is done; empty when it has failed, which is told by {@link #get}. */
  Optional<T> outcome() {
    try {
      return Optional.of(work.get());
    } catch (ExecutionException failed) {
      return Optional.empty();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }
}
