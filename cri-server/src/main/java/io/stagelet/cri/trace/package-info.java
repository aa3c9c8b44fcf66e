/**
 * What calls and their stages did, as OpenTelemetry has it: spans, sent to a collector by OTLP over
 * HTTP in JSON. Nothing of it is loaded by a server that is not told where to send them.
 *
 * <p>Threads: a span is begun and ended on the thread that does the work; one thread sends them.
 */
@NullMarked
package io.stagelet.cri.trace;

import org.jspecify.annotations.NullMarked;
