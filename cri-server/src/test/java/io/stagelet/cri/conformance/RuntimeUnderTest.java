package io.stagelet.cri.conformance;

import java.nio.file.Path;
import java.util.List;

/** A running CRI runtime that the suites speak to. */
sealed interface RuntimeUnderTest extends AutoCloseable permits StageletRuntime, ForeignRuntime {
  /** Where it listens. */
  Path socket();

  /** The handlers that suites run with unless {@code -Dcri.handler} says others. */
  List<Handler> handlers();

  /** What is there now that only sandboxes and containers bring, one line for each thing. */
  Leftovers leftovers();

  /** Ends what was started for the suites, and takes back what was changed on the machine. */
  @Override
  void close();
}
