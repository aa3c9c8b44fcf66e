package io.stagelet.cri.measure;

import io.stagelet.cri.trace.Traces;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;

/** All that the server counts and times itself. */
public final class Measures {
  private final Traces traces;
  private final Timings calls = new Timings();
  private final Timings stages = new Timings();
  private final LongAdder leftovers = new LongAdder();
  private final LongAdder failedRepairs = new LongAdder();

  /**
   * Nothing has been counted yet.
   *
   * @param traces where stages become spans
   */
  public Measures(Traces traces) {
    this.traces = traces;
  }

  /** Calls of the CRI. */
  public Timings calls() {
    return calls;
  }

  /** Stages of operations. */
  public Timings stages() {
    return stages;
  }

  /** Does a stage of an operation, and times it. */
  public <T> T stage(String operation, String stage, String subject, Supplier<T> work) {
    Timings.Work timed = stages.begin(subject, operation, stage);
    String outcome = "failed";
    try {
      T result =
          traces.stage(operation + " " + stage, Map.of("stagelet.stage.subject", subject), work);
      outcome = "done";
      return result;
    } finally {
      timed.end(outcome);
    }
  }

  /** As above, for what gives nothing. */
  public void stage(String operation, String stage, String subject, Runnable work) {
    var _ =
        stage(
            operation,
            stage,
            subject,
            () -> {
              work.run();
              return "";
            });
  }

  /** Something that belonged to nobody was removed. */
  public void leftoverRemoved() {
    leftovers.increment();
  }

  /** Something could not be brought in order. */
  public void repairFailed() {
    failedRepairs.increment();
  }

  /** Writes them all. */
  public void write(MetricsText text) {
    calls.write(text, Metric.CALL_SECONDS, Metric.CALLS_UNDER_WAY, Metric.CALL_OLDEST_SECONDS);
    stages.write(text, Metric.STAGE_SECONDS, Metric.STAGES_UNDER_WAY, Metric.STAGE_OLDEST_SECONDS);
    text.add(Metric.LEFTOVERS, leftovers.sum());
    text.add(Metric.REPAIRS_FAILED, failedRepairs.sum());
  }
}
