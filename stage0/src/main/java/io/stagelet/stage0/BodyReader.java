package io.stagelet.stage0;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A response's body, read as it comes, where silence is noticed: unlike with the JDK's input
 * stream, a read that gets nothing ends after a while.
 *
 * <p>The HTTP client's thread fills it, one other thread reads it. What is on its way is bounded,
 * so a slow reader slows the sender.
 */
final class BodyReader implements HttpResponse.BodySubscriber<BodyReader>, AutoCloseable {
  /** How many of what the client reads at once (mostly 64 KiB, never more than 384) may wait. */
  private static final int WAITING = 8;

  /** More are asked for when so many have been taken: asking wakes the client's thread. */
  private static final int AT_ONCE = WAITING / 2;

  /** Nothing came for too long. */
  static final class SilenceException extends IOException {
    private static final long serialVersionUID = 1L;

    SilenceException(String message) {
      super(message);
    }
  }

  private sealed interface Item {
    record Data(List<ByteBuffer> buffers) implements Item {}

    record End() implements Item {}

    record Failure(Throwable cause) implements Item {}
  }

  private final LinkedBlockingQueue<Item> items = new LinkedBlockingQueue<>();
  private final CompletableFuture<Flow.Subscription> subscribed = new CompletableFuture<>();
  private final Queue<ByteBuffer> taken = new ArrayDeque<>();
  private int unasked;
  private boolean ended;

  @Override
  public CompletionStage<BodyReader> getBody() {
    return CompletableFuture.completedFuture(this);
  }

  @Override
  public void onSubscribe(Flow.Subscription subscription) {
    if (subscribed.complete(subscription)) {
      subscription.request(WAITING);
    } else {
      subscription.cancel();
    }
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    items.add(new Item.Data(buffers));
  }

  @Override
  public void onError(Throwable failure) {
    items.add(new Item.Failure(failure));
  }

  @Override
  public void onComplete() {
    items.add(new Item.End());
  }

  /**
   * The next bytes, null at the body's end.
   *
   * @throws IOException when the connection broke, or nothing came for {@code silence}
   */
  @Nullable ByteBuffer next(Duration silence) throws IOException, InterruptedException {
    while (!ended || !taken.isEmpty()) {
      ByteBuffer buffer = taken.poll();
      if (buffer != null) {
        if (buffer.hasRemaining()) {
          return buffer;
        }
        continue;
      }
      Item item = items.poll();
      if (item == null) {
        item = items.poll(silence.toMillis(), TimeUnit.MILLISECONDS);
      }
      switch (item) {
        case null ->
            throw new SilenceException(
                "the registry sent nothing for %d s".formatted(silence.toSeconds()));
        case Item.Data(List<ByteBuffer> buffers) -> {
          taken.addAll(buffers);
          unasked++;
          if (unasked == AT_ONCE) {
            unasked = 0;
            subscribed.join().request(AT_ONCE);
          }
        }
        case Item.End() -> ended = true;
        case Item.Failure(Throwable cause) ->
            throw new IOException(
                "the connection broke: " + io.stagelet.linux.StageletException.reason(cause),
                cause);
      }
    }
    return null;
  }

  /** Whether bytes can be had without waiting. */
  boolean ready() {
    return !taken.isEmpty() || items.peek() instanceof Item.Data;
  }

  /** All of the body, or its first {@code limit} bytes. */
  byte[] readAll(int limit, Duration silence) throws IOException, InterruptedException {
    java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
    for (ByteBuffer buffer = next(silence);
        buffer != null && bytes.size() < limit;
        buffer = next(silence)) {
      byte[] chunk = new byte[Math.min(buffer.remaining(), limit - bytes.size())];
      buffer.get(chunk);
      bytes.writeBytes(chunk);
    }
    return bytes.toByteArray();
  }

  /** Ends the transfer; what has not come yet does not come. */
  @Override
  public void close() {
    // where the client has not subscribed yet, onSubscribe finds the future done and cancels
    if (!subscribed.cancel(false) && !subscribed.isCompletedExceptionally()) {
      subscribed.join().cancel();
    }
  }
}
