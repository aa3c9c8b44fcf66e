package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;

/**
 * Work that must be done once however often it is asked for: whoever asks while it is under way
 * waits for the same result. That is why a call repeated after a client's deadline never hears that
 * a name is taken.
 *
 * @param <K> what tells two pieces of work apart
 * @param <T> what comes out of it
 */
final class UnderWay<K, T> {
  private final Map<K, CompletableFuture<T>> work = new ConcurrentHashMap<>();

  /** Does the work, or joins whoever does it. */
  T once(K key, Supplier<T> task) {
    CompletableFuture<T> mine = new CompletableFuture<>();
    CompletableFuture<T> others = work.putIfAbsent(key, mine);
    if (others != null) {
      return join(others);
    }
    try {
      T result = task.get();
      mine.complete(result);
      return result;
    } catch (RuntimeException | Error failure) {
      mine.completeExceptionally(failure);
      throw failure;
    } finally {
      work.remove(key);
    }
  }

  /** Whether somebody does it now. */
  boolean has(K key) {
    return work.containsKey(key);
  }

  private T join(CompletableFuture<T> others) {
    try {
      return others.get();
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof StageletException known) {
        throw new StageletException(known.code(), StageletException.reason(known), known);
      }
      throw new StageletException(ErrorCode.INTERNAL, StageletException.reason(failure), failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(ErrorCode.CANCELLED, "the caller went away", interrupted);
    }
  }
}
