/**
 * What is counted and timed, and how Prometheus is told. The few kinds of metrics that are needed
 * are written down here: a library for all of them would be more classes than the rest of the
 * server loads for them. Safe from any thread.
 */
@NullMarked
package io.stagelet.cri.measure;

import org.jspecify.annotations.NullMarked;
