package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A pull that several callers wait for. It has a thread of its own, so that it goes on while any of
 * them is there; when the last one goes away, it is cancelled.
 */
final class RunningPull {
  /** The work; ends soon when its thread is interrupted. */
  @FunctionalInterface
  interface Work {
    /**
     * Runs it.
     *
     * @param mayFinish asked once, before the last step: false when it was cancelled; once it said
     *     true, no interrupt comes any more
     */
    Image run(PullListener listener, BooleanSupplier mayFinish) throws InterruptedException;
  }

  private final String name;
  private final UnaryOperator<Runnable> carried;
  private final CompletableFuture<Image> result = new CompletableFuture<>();
  private final List<PullListener> listeners = new CopyOnWriteArrayList<>();
  private int waiting;
  private boolean over;
  private boolean finishing;
  private @Nullable Thread thread;

  /**
   * A pull that nobody takes part in yet.
   *
   * @param carried gives its thread what the one that starts it has
   */
  RunningPull(String name, UnaryOperator<Runnable> carried) {
    this.name = name;
    this.carried = carried;
  }

  /**
   * Takes part in it.
   *
   * @return false when it is over or cancelled
   */
  synchronized boolean join(PullListener listener) {
    if (over) {
      return false;
    }
    waiting++;
    listeners.add(listener);
    return true;
  }

  /** Starts it; {@code ended} runs before anybody hears of the end. */
  synchronized void start(Work work, Runnable ended) {
    thread =
        Thread.ofVirtual()
            .name("pull-" + name)
            .start(
                carried.apply(() -> {
                  try {
                    Image image =
                        work.run(event -> listeners.forEach(l -> l.on(event)), this::mayFinish);
                    end(ended);
                    result.complete(image);
                  } catch (InterruptedException interrupted) {
                    end(ended);
                    result.completeExceptionally(cancelled(interrupted));
                  } catch (RuntimeException | Error failure) {
                    end(ended);
                    result.completeExceptionally(failure);
                  }
                }));
  }

  private synchronized boolean mayFinish() {
    finishing = !over;
    return finishing;
  }

  private void end(Runnable ended) {
    synchronized (this) {
      over = true;
    }
    ended.run();
  }

  /**
   * Waits for its end.
   *
   * @throws StageletException what it failed with, or {@code CANCELLED} when this thread was
   *     interrupted
   */
  Image await(PullListener listener) {
    try {
      return result.get();
    } catch (InterruptedException interrupted) {
      leave(listener);
      Thread.currentThread().interrupt();
      throw cancelled(interrupted);
    } catch (ExecutionException failure) {
      throw forThisCaller(failure.getCause());
    }
  }

  /** Each caller gets an exception of its own, with its own stack. */
  private static StageletException forThisCaller(@Nullable Throwable cause) {
    return switch (cause) {
      case StageletException known ->
          new StageletException(known.code(), StageletException.reason(known), known);
      case Error error -> throw error;
      case null -> new StageletException(ErrorCode.INTERNAL, "the pull failed");
      default ->
          new StageletException(
              ErrorCode.INTERNAL, "the pull failed: " + StageletException.reason(cause), cause);
    };
  }

  private void leave(PullListener listener) {
    Thread cancelled;
    synchronized (this) {
      listeners.remove(listener);
      waiting--;
      if (waiting > 0 || over || finishing) {
        return;
      }
      over = true;
      cancelled = thread;
    }
    if (cancelled == null) {
      return;
    }
    cancelled.interrupt();
    // nothing of it is left when the caller hears that it was cancelled
    while (cancelled.isAlive()) {
      try {
        cancelled.join();
      } catch (InterruptedException again) {
        // the caller's flag is set anyway after this
        cancelled.interrupt();
      }
    }
  }

  /** Ends it for everybody, and waits until it has. */
  void cancel() {
    Thread cancelled;
    synchronized (this) {
      over = true;
      cancelled = thread;
      if (cancelled != null && !finishing) {
        cancelled.interrupt();
      }
    }
    if (cancelled != null) {
      try {
        cancelled.join();
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private StageletException cancelled(Throwable cause) {
    return new StageletException(
        ErrorCode.CANCELLED, "pulling %s was cancelled".formatted(name), cause);
  }
}
