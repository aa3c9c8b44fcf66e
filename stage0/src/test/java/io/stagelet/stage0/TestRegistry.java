package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** A registry on loopback that serves what it is given, and can be told to behave badly. */
final class TestRegistry implements AutoCloseable {
  /** Answers a request in the registry's place; false lets the registry answer. */
  @FunctionalInterface
  interface Fault {
    boolean answer(HttpExchange exchange) throws IOException;
  }

  private static final int PIECE = 16 << 10;

  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Map<String, byte[]> blobs = new ConcurrentHashMap<>();
  private final Map<String, byte[]> manifests = new ConcurrentHashMap<>();

  /** All requests: method, path, range and authorization. */
  final List<String> requests = new CopyOnWriteArrayList<>();

  /** What goes wrong; may be changed at any time. */
  volatile Fault fault = exchange -> false;

  volatile boolean ranges = true;

  /** How long it waits before each 16 KiB of a blob. */
  volatile int pauseMillis;

  TestRegistry() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  /** {@code 127.0.0.1:port}. */
  String host() {
    return "127.0.0.1:" + server.getAddress().getPort();
  }

  Digest blob(byte[] content) {
    Digest digest = Digest.of(content);
    blobs.put(digest.toString(), content);
    return digest;
  }

  Digest manifest(String tag, byte[] content) {
    Digest digest = Digest.of(content);
    manifests.put(tag, content);
    manifests.put(digest.toString(), content);
    return digest;
  }

  ImageReference reference(String nameAndTag) {
    return ImageReference.parse(host() + "/" + nameAndTag);
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      String range = exchange.getRequestHeaders().getFirst("Range");
      String authorization = exchange.getRequestHeaders().getFirst("Authorization");
      requests.add(
          "%s %s%s%s"
              .formatted(
                  exchange.getRequestMethod(),
                  path,
                  range == null ? "" : " " + range,
                  authorization == null ? "" : " " + authorization));
      if (fault.answer(exchange)) {
        return;
      }
      String last = path.substring(path.lastIndexOf('/') + 1);
      byte[] content = path.contains("/manifests/") ? manifests.get(last) : blobs.get(last);
      if (content == null) {
        reply(
            exchange,
            404,
            "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no such thing\"}]}");
      } else {
        if (ranges) {
          exchange.getResponseHeaders().set("Accept-Ranges", "bytes");
        }
        serve(exchange, content, ranges ? range : null, pauseMillis);
      }
    }
  }

  static void serve(HttpExchange exchange, byte[] content, @Nullable String range)
      throws IOException {
    serve(exchange, content, range, 0);
  }

  private static void serve(
      HttpExchange exchange, byte[] content, @Nullable String range, int pauseMillis)
      throws IOException {
    int start = 0;
    int end = content.length;
    if (range != null) {
      String[] ends = range.replace("bytes=", "").split("-", -1);
      start = Integer.parseInt(ends[0]);
      end = ends[1].isEmpty() ? end : Integer.parseInt(ends[1]) + 1;
      exchange
          .getResponseHeaders()
          .set("Content-Range", "bytes %d-%d/%d".formatted(start, end - 1, content.length));
    }
    exchange.sendResponseHeaders(range == null ? 200 : 206, end == start ? -1 : end - start);
    try (OutputStream body = exchange.getResponseBody()) {
      for (int at = start; at < end; at += PIECE) {
        pause(pauseMillis);
        body.write(content, at, Math.min(PIECE, end - at));
        body.flush();
      }
    }
  }

  private static void pause(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  static void reply(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(UTF_8);
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
