package io.stagelet.cri.trace;

/** Who takes spans. May be called from any thread, and does not wait. */
@FunctionalInterface
public interface SpanSink {
  /** Takes one. */
  void take(Span span);
}
