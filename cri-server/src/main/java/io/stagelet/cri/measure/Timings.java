package io.stagelet.cri.measure;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * How long a kind of work takes, and what of it is under way now. A histogram when it is over, by
 * labels and an outcome; two gauges while it goes on.
 */
public final class Timings {
  private static final double[] BOUNDS = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 240
  };
  private static final double NANOS = 1e9;

  private final Map<List<String>, Histogram> done = new ConcurrentHashMap<>();
  private final Set<Work> underWay = ConcurrentHashMap.newKeySet();

  private static final class Histogram {
    private final LongAdder[] buckets = new LongAdder[BOUNDS.length + 1];
    private final LongAdder nanos = new LongAdder();

    private Histogram() {
      Arrays.setAll(buckets, _ -> new LongAdder());
    }

    private void record(long elapsed) {
      int bucket = 0;
      while (bucket < BOUNDS.length && elapsed > BOUNDS[bucket] * NANOS) {
        bucket++;
      }
      buckets[bucket].increment();
      nanos.add(elapsed);
    }
  }

  /** A piece of work under way; to be ended once. */
  public final class Work {
    private final List<String> labels;
    private final String subject;
    private final long begin = System.nanoTime();

    private Work(List<String> labels, String subject) {
      this.labels = labels;
      this.subject = subject;
    }

    /** It is over. */
    public void end(String outcome) {
      if (underWay.remove(this)) {
        List<String> all = new ArrayList<>(labels);
        all.add(outcome);
        done.computeIfAbsent(List.copyOf(all), _ -> new Histogram())
            .record(System.nanoTime() - begin);
      }
    }

    /** It goes on by itself and is not timed. */
    public void forget() {
      boolean _ = underWay.remove(this);
    }

    /** What it is, as its labels say. */
    public List<String> labels() {
      return labels;
    }

    /** What it is about, in words. */
    public String subject() {
      return subject;
    }

    /** For how long it has been under way. */
    public double seconds() {
      return (System.nanoTime() - begin) / NANOS;
    }
  }

  /**
   * Work begins.
   *
   * @param subject what it is about; for people, not for a label
   */
  public Work begin(String subject, String... labels) {
    Work work = new Work(List.of(labels), subject);
    underWay.add(work);
    return work;
  }

  /** What is under way, the oldest first. */
  public List<Work> underWay() {
    return underWay.stream().sorted(Comparator.comparingDouble(Work::seconds).reversed()).toList();
  }

  /** Writes the three metrics. */
  public void write(MetricsText text, Metric histogram, Metric count, Metric oldest) {
    Comparator<List<String>> order = Comparator.comparing(List::toString);
    Map<List<String>, Histogram> sorted = new TreeMap<>(order);
    sorted.putAll(done);
    sorted.forEach((labels, values) -> write(text, histogram, labels, values));
    Map<List<String>, List<Work>> now = new TreeMap<>(order);
    underWay.forEach(work -> now.computeIfAbsent(work.labels, _ -> new ArrayList<>()).add(work));
    now.forEach((labels, works) -> text.add(count, works.size(), labels.toArray(String[]::new)));
    now.forEach((labels, works) ->
        text.add(
            oldest,
            works.stream().mapToDouble(Work::seconds).max().orElse(0),
            labels.toArray(String[]::new)));
  }

  private static void write(
      MetricsText text, Metric metric, List<String> values, Histogram histogram) {
    text.begin(metric);
    List<String> labels = new ArrayList<>(metric.labels());
    labels.add("le");
    long sum = 0;
    for (int i = 0; i <= BOUNDS.length; i++) {
      sum += histogram.buckets[i].sum();
      List<String> all = new ArrayList<>(values);
      all.add(i < BOUNDS.length ? bound(BOUNDS[i]) : "+Inf");
      text.sample(metric.metricName() + "_bucket", labels, all, (double) sum);
    }
    text.sample(
        metric.metricName() + "_sum", metric.labels(), values, histogram.nanos.sum() / NANOS);
    text.sample(metric.metricName() + "_count", metric.labels(), values, (double) sum);
  }

  private static String bound(double bound) {
    return bound == Math.rint(bound) ? Long.toString((long) bound) : Double.toString(bound);
  }
}
