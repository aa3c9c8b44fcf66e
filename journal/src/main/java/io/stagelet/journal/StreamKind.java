package io.stagelet.journal;

/** One of a container's two outputs. */
enum StreamKind {
  STDOUT("stdout", 6, ".out"),
  STDERR("stderr", 3, ".err");

  private final String label;
  private final int priority;
  private final String suffix;

  StreamKind(String label, int priority, String suffix) {
    this.label = label;
    this.priority = priority;
    this.suffix = suffix;
  }

  /** As it is called in kubelet's log file and in the field {@code STREAM}. */
  String label() {
    return label;
  }

  /** The priority of its entries: 6 (informational) or 3 (error). */
  int priority() {
    return priority;
  }

  /** The name by which the FIFO of container {@code id} is kept, and its spool's file name. */
  String nameFor(String id) {
    return id + suffix;
  }
}
