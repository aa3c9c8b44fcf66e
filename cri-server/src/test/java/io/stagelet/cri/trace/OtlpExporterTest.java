package io.stagelet.cri.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is sent, and to whom: a small collector. */
class OtlpExporterTest {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration PAUSE = Duration.ofMillis(20);

  private final List<JsonNode> received = new CopyOnWriteArrayList<>();
  private final AtomicInteger refusals = new AtomicInteger();
  private HttpServer collector;
  private volatile int refusal = 503;

  @BeforeEach
  void listen() throws IOException {
    collector = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    collector.createContext(
        "/v1/traces",
        exchange -> {
          JsonNode body = new ObjectMapper().readTree(exchange.getRequestBody());
          int code = refusals.getAndUpdate(left -> Math.max(0, left - 1)) > 0 ? refusal : 200;
          if (code == 200
              && "application/json".equals(exchange.getRequestHeaders().getFirst("Content-Type"))) {
            received.add(body);
          }
          exchange.sendResponseHeaders(code, -1);
          exchange.close();
        });
    collector.start();
  }

  @AfterEach
  void stop() {
    collector.stop(0);
  }

  private OtlpExporter exporter() {
    return new OtlpExporter(
        URI.create("http://127.0.0.1:%d/".formatted(collector.getAddress().getPort())),
        Map.of("service.name", "stagelet"),
        PAUSE);
  }

  private static Span span(String name) {
    return new Span(
        new TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", true),
        Optional.of("1111111111111111"),
        name,
        Span.Kind.SERVER,
        Instant.ofEpochSecond(1_800_000_000, 5),
        Duration.ofMillis(1500),
        Map.of("rpc.method", "Run"),
        Optional.of("no room"));
  }

  @Test
  void aSpanIsSentAsTheProtocolHasIt() {
    try (OtlpExporter exporter = exporter()) {
      exporter.take(span("Run"));
      await().atMost(SOON).until(() -> exporter.sent() == 1);
    }

    JsonNode resource = received.getFirst().at("/resourceSpans/0");
    assertThat(resource.at("/resource/attributes/0/key").asText()).isEqualTo("service.name");
    assertThat(resource.at("/resource/attributes/0/value/stringValue").asText())
        .isEqualTo("stagelet");
    JsonNode span = resource.at("/scopeSpans/0/spans/0");
    assertThat(span.path("traceId").asText()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(span.path("spanId").asText()).isEqualTo("00f067aa0ba902b7");
    assertThat(span.path("parentSpanId").asText()).isEqualTo("1111111111111111");
    assertThat(span.path("kind").isInt()).isTrue();
    assertThat(span.path("kind").asInt()).isEqualTo(2);
    assertThat(span.path("startTimeUnixNano").isTextual()).isTrue();
    assertThat(span.path("startTimeUnixNano").asText()).isEqualTo("1800000000000000005");
    assertThat(span.path("endTimeUnixNano").asText()).isEqualTo("1800000001500000005");
    assertThat(span.at("/status/code").asInt()).isEqualTo(2);
    assertThat(span.at("/status/message").asText()).isEqualTo("no room");
  }

  @Test
  void aCollectorThatIsBusyIsAskedAgain() {
    refusals.set(2);
    try (OtlpExporter exporter = exporter()) {
      exporter.take(span("Run"));
      await().atMost(SOON).until(() -> exporter.sent() == 1);
      assertThat(exporter.dropped()).isZero();
    }
    assertThat(received).hasSize(1);
  }

  @Test
  void whatACollectorWillNotHaveIsGivenUp() {
    refusal = 400;
    refusals.set(1);
    try (OtlpExporter exporter = exporter()) {
      exporter.take(span("bad"));
      await().atMost(SOON).until(() -> exporter.dropped() == 1);
      exporter.take(span("good"));
      await().atMost(SOON).until(() -> exporter.sent() == 1);
    }
    assertThat(received).hasSize(1);
  }

  @Test
  void withoutACollectorNobodyWaitsAndSpansAreCountedAsGivenUp() {
    collector.stop(0);
    try (OtlpExporter exporter = exporter()) {
      for (int i = 0; i < 10_000; i++) {
        exporter.take(span("Run"));
      }
      await().atMost(SOON).until(() -> exporter.dropped() > 4000);
      assertThat(exporter.sent()).isZero();
    }
  }

  @Test
  void whatWaitsAtTheEndIsSent() {
    OtlpExporter exporter = exporter();
    for (int i = 0; i < 1000; i++) {
      exporter.take(span("Run"));
    }

    exporter.close();

    assertThat(exporter.sent() + exporter.dropped()).isEqualTo(1000);
    assertThat(exporter.sent()).isGreaterThan(0);
  }
}
