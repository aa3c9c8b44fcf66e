package io.stagelet.testhost.kubelet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/** kubelet's own endpoint, which the API server asks for logs, exec and statistics. */
final class KubeletClient {
  private static final String ADDRESS = "127.0.0.1:10250";
  private static final int PATIENCE_SECONDS = 30;

  private final HttpClient http = HttpClient.newBuilder().sslContext(trusting()).build();

  /** What is on a page. */
  String text(String path) {
    return send(HttpRequest.newBuilder(URI.create("https://" + ADDRESS + path)).GET().build());
  }

  /** What is on a page, as JSON. */
  JsonNode json(String path) {
    try {
      return new ObjectMapper().readTree(text(path));
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** What comes of a POST. */
  String post(String path) {
    return send(
        HttpRequest.newBuilder(URI.create("https://" + ADDRESS + path))
            .POST(HttpRequest.BodyPublishers.noBody())
            .build());
  }

  private String send(HttpRequest request) {
    try {
      var answer = http.send(request, BodyHandlers.ofString());
      if (answer.statusCode() != 200) {
        throw new IllegalStateException(
            "%s: %d %s".formatted(request.uri(), answer.statusCode(), answer.body()));
      }
      return answer.body();
    } catch (IOException failure) {
      throw new UncheckedIOException(request.uri().toString(), failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(interrupted);
    }
  }

  /** A pod as kubelet has it, by its name. */
  Optional<JsonNode> pod(String name) {
    return json("/pods")
        .path("items")
        .valueStream()
        .filter(pod -> pod.at("/metadata/name").asText().equals(name))
        .findFirst();
  }

  /** Runs a command in a container as kubectl does; what it wrote to its standard output. */
  String exec(String pathAndQuery) {
    CompletableFuture<String> output = new CompletableFuture<>();
    WebSocket.Listener listener =
        new WebSocket.Listener() {
          private final StringBuilder standardOutput = new StringBuilder();

          @Override
          public @Nullable CompletionStage<?> onBinary(
              WebSocket socket, ByteBuffer data, boolean last) {
            int channel = data.get();
            if (channel == 1) {
              standardOutput.append(StandardCharsets.UTF_8.decode(data));
            }
            socket.request(1);
            return null;
          }

          @Override
          public @Nullable CompletionStage<?> onClose(
              WebSocket socket, int statusCode, String reason) {
            boolean _ = output.complete(standardOutput.toString());
            return null;
          }

          @Override
          public void onError(WebSocket socket, Throwable failure) {
            boolean _ = output.completeExceptionally(failure);
          }
        };
    try {
      WebSocket _ =
          http.newWebSocketBuilder()
              .subprotocols("v5.channel.k8s.io", "v4.channel.k8s.io")
              .buildAsync(URI.create("wss://" + ADDRESS + pathAndQuery), listener)
              .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
      return output.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (Exception failure) {
      throw new IllegalStateException("exec " + pathAndQuery + " failed", failure);
    }
  }

  /** Its certificate is its own. */
  private static SSLContext trusting() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, new TrustManager[] {new Trusting()}, new SecureRandom());
      return context;
    } catch (GeneralSecurityException failure) {
      throw new IllegalStateException(failure);
    }
  }

  private static final class Trusting extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
