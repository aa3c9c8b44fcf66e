package io.stagelet.testhost.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** How long each of a series of calls took. For one thread. */
final class Durations {
  private static final double NANOS_PER_MILLI = 1e6;

  private final List<Duration> taken = new ArrayList<>();

  /** Makes a call, and notes its duration when it succeeds. */
  <T> T time(Supplier<T> call) {
    long begun = System.nanoTime();
    T answer = call.get();
    add(Duration.ofNanos(System.nanoTime() - begun));
    return answer;
  }

  void add(Duration duration) {
    taken.add(duration);
  }

  /**
   * The median in milliseconds; of an even number, the mean of the two in the middle.
   *
   * @throws IllegalStateException when nothing was noted
   */
  double medianMillis() {
    if (taken.isEmpty()) {
      throw new IllegalStateException("there is no median: nothing was measured");
    }
    List<Duration> sorted = taken.stream().sorted().toList();
    int upper = sorted.size() / 2;
    int lower = (sorted.size() - 1) / 2;
    return (sorted.get(lower).toNanos() + sorted.get(upper).toNanos()) / 2 / NANOS_PER_MILLI;
  }
}
