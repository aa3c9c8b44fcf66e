package io.stagelet.cri.trace;

import io.stagelet.linux.StageletException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * Makes spans: one for each call, and one below it for each stage that is worked on in the call's
 * thread. A call whose caller sends a {@code traceparent} is a part of the caller's trace, and is
 * recorded when that is; of the others, as many as the settings say.
 */
public final class Traces {
  private static final ScopedValue<TraceContext> CURRENT = ScopedValue.newInstance();
  private static final int MILLION = 1_000_000;
  private static final int TRACE_BYTES = 16;
  private static final int SPAN_BYTES = 8;
  private static final TraceContext NOT_RECORDED = new TraceContext("", "", false);

  private final SpanSink sink;
  private final int perMillion;
  private final Clock clock;
  private final RandomGenerator random;

  /**
   * Sends them somewhere.
   *
   * @param perMillion how many calls of a million are recorded that nobody else's trace contains
   */
  public Traces(SpanSink sink, int perMillion, Clock clock, RandomGenerator random) {
    this.sink = sink;
    this.perMillion = perMillion;
    this.clock = clock;
    this.random = random;
  }

  /** Records nothing. */
  public static Traces none() {
    return new Traces(_ -> {}, 0, Clock.systemUTC(), RandomGenerator.getDefault());
  }

  /** A call under way; to be ended once, by any thread. */
  public final class Call {
    private final TraceContext context;
    private final Optional<String> parent;
    private final String name;
    private final Instant begin = clock.instant();
    private final long nanos = System.nanoTime();

    private Call(TraceContext context, Optional<String> parent, String name) {
      this.context = context;
      this.parent = parent;
      this.name = name;
    }

    /** Does a part of its work; stages of it belong to this call. */
    public void within(Runnable work) {
      ScopedValue.where(CURRENT, context).run(work);
    }

    /** It is over. */
    public void end(Map<String, String> attributes, Optional<String> failure) {
      if (context.sampled()) {
        sink.take(
            new Span(
                context,
                parent,
                name,
                Span.Kind.SERVER,
                begin,
                Duration.ofNanos(System.nanoTime() - nanos),
                attributes,
                failure));
      }
    }
  }

  /**
   * A call begins.
   *
   * @param traceparent what the caller says of its own span
   */
  public Call call(String name, Optional<String> traceparent) {
    Optional<TraceContext> caller = traceparent.flatMap(TraceContext::of);
    boolean sampled =
        caller.map(TraceContext::sampled).orElseGet(() -> random.nextInt(MILLION) < perMillion);
    TraceContext context =
        sampled
            ? new TraceContext(
                caller.map(TraceContext::traceId).orElseGet(() -> id(TRACE_BYTES)),
                id(SPAN_BYTES),
                true)
            : NOT_RECORDED;
    return new Call(context, caller.map(TraceContext::spanId), name);
  }

  /** Does a stage, as a part of the call in whose thread this is. */
  public <T> T stage(String name, Map<String, String> attributes, Supplier<T> work) {
    if (!CURRENT.isBound() || !CURRENT.get().sampled()) {
      return work.get();
    }
    TraceContext above = CURRENT.get();
    TraceContext own = new TraceContext(above.traceId(), id(SPAN_BYTES), true);
    Instant begin = clock.instant();
    long nanos = System.nanoTime();
    Optional<String> failure = Optional.of("it was broken off");
    try {
      T result = ScopedValue.where(CURRENT, own).call(work::get);
      failure = Optional.empty();
      return result;
    } catch (StageletException failed) {
      failure = Optional.of(StageletException.reason(failed));
      throw failed;
    } finally {
      sink.take(
          new Span(
              own,
              Optional.of(above.spanId()),
              name,
              Span.Kind.INTERNAL,
              begin,
              Duration.ofNanos(System.nanoTime() - nanos),
              attributes,
              failure));
    }
  }

  /** An id of zeros alone would be none. */
  private String id(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    bytes[0] |= 1;
    return HexFormat.of().formatHex(bytes);
  }
}
