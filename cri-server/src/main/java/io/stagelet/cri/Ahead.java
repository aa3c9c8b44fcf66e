package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Function;

/**
 * Work that a thread of its own has begun before anybody needs what comes of it: whoever waits for
 * systemd and for other programs does something else meanwhile. Safe for any thread.
 */
final class Ahead<T> {
  private final String what;
  private final FutureTask<T> work;

  private Ahead(String what, FutureTask<T> work) {
    this.what = what;
    this.work = work;
  }

  /**
   * Begins.
   *
   * @param what names the thread, and the work in an error
   */
  static <T> Ahead<T> of(String what, Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread.ofVirtual().name(what).start(task);
    return new Ahead<>(what, task);
  }

  /**
   * Does it for all of them side by side, and returns what came of each, in their order.
   *
   * @throws StageletException as {@link #get}
   */
  static <A, B> List<B> each(String what, Collection<A> all, Function<A, B> work) {
    List<Ahead<B>> begun = all.stream().map(one -> of(what, () -> work.apply(one))).toList();
    return begun.stream().map(Ahead::get).toList();
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
          ErrorCode.CANCELLED,
          what + " is not waited for any longer: whoever did is stopped",
          interrupted);
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
