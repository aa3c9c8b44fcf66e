package io.stagelet.testhost.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the pod benchmark measured of one runtime.
 *
 * @param runtime its name
 * @param medians the median duration of each call in milliseconds, by the call's name, in the order
 *     in which calls are made
 * @param memory what the runtime keeps running while all pods do
 */
record PodFigures(String runtime, Map<String, Double> medians, ProcessTable.Growth memory) {
  static final String RUN = "RunPodSandbox";
  static final String CREATE = "CreateContainer";
  static final String START = "StartContainer";
  static final String STOP = "StopContainer";
  static final String STOP_SANDBOX = "StopPodSandbox";

  PodFigures {
    medians = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(medians));
  }

  /** What it takes until a container runs: the three medians together, in milliseconds. */
  double untilRunning() {
    return median(RUN) + median(CREATE) + median(START);
  }

  double median(String call) {
    Double median = medians.get(call);
    if (median == null) {
      throw new IllegalArgumentException(call + " was not measured of " + runtime);
    }
    return median;
  }
}
