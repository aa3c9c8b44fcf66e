package io.stagelet.cri.conformance;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What another registry has, at an address of its own; while the gate is shut, of each layer comes
 * only the beginning.
 */
final class GatedRegistry implements AutoCloseable {
  private final String behind;
  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final HttpClient http = HttpClient.newHttpClient();
  private final CountDownLatch gate = new CountDownLatch(1);
  private final AtomicInteger waiting = new AtomicInteger();

  /** In front of {@code behind}, with its gate shut. */
  GatedRegistry(TestRegistry behind) {
    this.behind = behind.address();
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException failure) {
      throw new UncheckedIOException("could not listen", failure);
    }
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  /** The name here of an image that the other registry has. */
  String nameOf(PushedImage image) {
    return image.byTag().replace(behind, "127.0.0.1:" + server.getAddress().getPort());
  }

  /** How many transfers have stopped at the gate. */
  int waiting() {
    return waiting.get();
  }

  void open() {
    gate.countDown();
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create("http://" + behind + exchange.getRequestURI()));
      String accept = exchange.getRequestHeaders().getFirst("Accept");
      if (accept != null) {
        request.header("Accept", accept);
      }
      HttpResponse<byte[]> answer =
          http.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
      byte[] body = answer.body();
      answer
          .headers()
          .firstValue("content-type")
          .ifPresent(type -> exchange.getResponseHeaders().set("Content-Type", type));
      exchange.sendResponseHeaders(answer.statusCode(), body.length == 0 ? -1 : body.length);
      boolean layer =
          answer.headers().firstValue("content-type").orElse("").contains("octet-stream")
              && body.length > 0
              && body[0] == 0x1f;
      int first = layer ? Math.min(1000, body.length / 2) : body.length;
      exchange.getResponseBody().write(body, 0, first);
      exchange.getResponseBody().flush();
      if (first < body.length) {
        if (gate.getCount() > 0) {
          int _ = waiting.incrementAndGet();
        }
        gate.await();
        exchange.getResponseBody().write(body, first, body.length - first);
      }
    } catch (InterruptedException closed) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
    threads.close();
    http.close();
  }
}
