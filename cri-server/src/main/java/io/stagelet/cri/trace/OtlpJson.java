package io.stagelet.cri.trace;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigInteger;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * OTLP's request {@code ExportTraceServiceRequest} in JSON: ids in hexadecimal, numbers of 64 bits
 * as strings, kinds and codes as numbers.
 */
final class OtlpJson {
  private static final int STATUS_ERROR = 2;
  private static final BigInteger NANOS = BigInteger.valueOf(1_000_000_000);

  private OtlpJson() {}

  /**
   * One request.
   *
   * @param resource who sends them
   */
  static String request(Map<String, String> resource, List<Span> spans) {
    ObjectNode request = JsonNodeFactory.instance.objectNode();
    ObjectNode one = request.putArray("resourceSpans").addObject();
    attributes(one.putObject("resource"), resource);
    ObjectNode scope = one.putArray("scopeSpans").addObject();
    scope.putObject("scope").put("name", "io.stagelet.cri");
    ArrayNode array = scope.putArray("spans");
    spans.forEach(span -> write(array.addObject(), span));
    return request.toString();
  }

  private static void write(ObjectNode node, Span span) {
    node.put("traceId", span.context().traceId());
    node.put("spanId", span.context().spanId());
    span.parent().ifPresent(parent -> node.put("parentSpanId", parent));
    node.put("name", span.name());
    node.put("kind", span.kind().number());
    node.put("startTimeUnixNano", nanoseconds(span.begin()));
    node.put("endTimeUnixNano", nanoseconds(span.begin().plus(span.took())));
    attributes(node, span.attributes());
    ObjectNode status = node.putObject("status");
    span.failure().ifPresent(words -> status.put("code", STATUS_ERROR).put("message", words));
  }

  private static void attributes(ObjectNode node, Map<String, String> attributes) {
    ArrayNode array = node.putArray("attributes");
    attributes.forEach((key, value) ->
        array.addObject().put("key", key).putObject("value").put("stringValue", value));
  }

  private static String nanoseconds(Instant time) {
    return BigInteger.valueOf(time.getEpochSecond())
        .multiply(NANOS)
        .add(BigInteger.valueOf(time.getNano()))
        .toString();
  }
}
