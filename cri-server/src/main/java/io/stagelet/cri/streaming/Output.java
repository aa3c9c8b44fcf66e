package io.stagelet.cri.streaming;

/** One of the two streams that come from a command; a terminal has the first only. */
public enum Output {
  STDOUT,
  STDERR
}
