package io.stagelet.stage0;

/** Hears how a pull gets on. Called from several threads; must not block. */
@FunctionalInterface
public interface PullListener {
  /** Hears nothing. */
  PullListener NONE = event -> {};

  /** Something went on. */
  void on(PullEvent event);
}
