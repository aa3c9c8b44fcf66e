package io.stagelet.cri.conformance;

import static org.awaitility.Awaitility.await;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Debian's docker-registry, a process of its own with a folder of its own, on a port of the
 * loopback interface, without TLS. {@code -Dcri.registry.port} fixes the port, for runtimes that
 * are told beforehand where their pause image is.
 */
final class TestRegistry implements AutoCloseable {
  /** The user that a closed registry knows, and the password. */
  static final String USER = "conformance";

  static final String PASSWORD = "open sesame";

  /** The two lines above as htpasswd writes them. */
  private static final String PASSWORD_FILE =
      "conformance:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";

  private final CleanupStack cleanup;
  private final Path folder;
  private final String address;
  private final Optional<String> authorization;
  private final HttpClient http;

  private TestRegistry(
      CleanupStack cleanup, Path folder, String address, Optional<String> authorization) {
    this.cleanup = cleanup;
    this.folder = folder;
    this.address = address;
    this.authorization = authorization;
    http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
    cleanup.push("close the registry's client", http::close);
  }

  /** A registry that is open to all. */
  static TestRegistry start() {
    return start(Integer.getInteger("cri.registry.port", 0), false);
  }

  /** A registry that wants {@link #USER} and {@link #PASSWORD}. */
  static TestRegistry startClosed() {
    return start(0, true);
  }

  private static TestRegistry start(int wantedPort, boolean closed) {
    CleanupStack cleanup = new CleanupStack();
    try {
      Path folder = Files.createTempDirectory("stagelet-registry-");
      cleanup.push(
          "remove " + folder, () -> Command.of("rm", "-rf", folder.toString()).runChecked());
      String address = "127.0.0.1:" + (wantedPort == 0 ? freePort() : wantedPort);
      StringBuilder config =
          new StringBuilder(
              """
              version: 0.1
              storage:
                filesystem: {rootdirectory: "%s"}
                delete: {enabled: true}
              http: {addr: "%s"}
              """
                  .formatted(folder.resolve("data"), address));
      if (closed) {
        Path passwords = Files.writeString(folder.resolve("htpasswd"), PASSWORD_FILE + "\n");
        config.append(
            "auth:\n  htpasswd: {realm: conformance, path: \"%s\"}\n".formatted(passwords));
      }
      Path file = Files.writeString(folder.resolve("config.yml"), config.toString());
      Process process =
          new ProcessBuilder("docker-registry", "serve", file.toString())
              .redirectErrorStream(true)
              .redirectOutput(folder.resolve("log").toFile())
              .start();
      cleanup.push("stop the registry", () -> end(process));
      Optional<String> authorization =
          closed
              ? Optional.of(
                  "Basic "
                      + Base64.getEncoder()
                          .encodeToString(
                              (USER + ":" + PASSWORD)
                                  .getBytes(java.nio.charset.StandardCharsets.UTF_8)))
              : Optional.empty();
      TestRegistry registry = new TestRegistry(cleanup, folder, address, authorization);
      await("docker-registry on " + address)
          .atMost(Duration.ofSeconds(30))
          .pollInterval(Duration.ofMillis(50))
          .until(() -> registry.answers(process));
      return registry;
    } catch (IOException failure) {
      cleanup.close();
      throw new UncheckedIOException("could not start docker-registry", failure);
    } catch (RuntimeException failure) {
      cleanup.close();
      throw failure;
    }
  }

  private static void end(Process process) throws InterruptedException {
    process.destroy();
    if (!process.waitFor(5, TimeUnit.SECONDS)) {
      process.destroyForcibly().waitFor();
    }
  }

  /** A port of the loopback interface that nobody listens on now. */
  static int freePort() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    } catch (IOException failure) {
      throw new UncheckedIOException("no free port", failure);
    }
  }

  private boolean answers(Process process) throws IOException {
    if (!process.isAlive()) {
      throw new IllegalStateException(
          "docker-registry ended: " + Files.readString(folder.resolve("log")));
    }
    try {
      return send(request("/v2/").GET().build()).statusCode() == 200;
    } catch (UncheckedIOException notYet) {
      return false;
    }
  }

  /** Host and port, as they stand at the front of an image's name. */
  String address() {
    return address;
  }

  /** Stores a blob unless it is there. */
  void putBlob(String repository, String digest, byte[] content) {
    String blobs = "/v2/" + repository + "/blobs/";
    if (send(request(blobs + digest).method("HEAD", HttpRequest.BodyPublishers.noBody()).build())
            .statusCode()
        == 200) {
      return;
    }
    HttpResponse<String> begun =
        expect(202, request(blobs + "uploads/").POST(HttpRequest.BodyPublishers.noBody()).build());
    String location = begun.headers().firstValue("Location").orElseThrow();
    URI upload = URI.create("http://" + address).resolve(location);
    expect(
        201,
        authorized(
                HttpRequest.newBuilder(
                    URI.create(
                        upload + (upload.getQuery() == null ? "?" : "&") + "digest=" + digest)))
            .header("Content-Type", "application/octet-stream")
            .PUT(HttpRequest.BodyPublishers.ofByteArray(content))
            .build());
  }

  /** Stores a manifest under a tag. */
  void putManifest(String repository, String tag, String mediaType, byte[] manifest) {
    expect(
        201,
        request("/v2/" + repository + "/manifests/" + tag)
            .header("Content-Type", mediaType)
            .PUT(HttpRequest.BodyPublishers.ofByteArray(manifest))
            .build());
  }

  /** The file in which the registry keeps a blob, for tests that damage it. */
  Path blobFile(String digest) {
    String hex = digest.substring("sha256:".length());
    return folder.resolve(
        "data/docker/registry/v2/blobs/sha256/%s/%s/data".formatted(hex.substring(0, 2), hex));
  }

  private HttpRequest.Builder request(String path) {
    return authorized(HttpRequest.newBuilder(URI.create("http://" + address + path)));
  }

  private HttpRequest.Builder authorized(HttpRequest.Builder request) {
    authorization.ifPresent(value -> request.header("Authorization", value));
    return request.timeout(Duration.ofSeconds(30));
  }

  private HttpResponse<String> expect(int status, HttpRequest request) {
    HttpResponse<String> response = send(request);
    if (response.statusCode() != status) {
      throw new IllegalStateException(
          "%s answered %d: %s".formatted(request, response.statusCode(), response.body()));
    }
    return response;
  }

  private HttpResponse<String> send(HttpRequest request) {
    try {
      return http.send(request, BodyHandlers.ofString());
    } catch (IOException failure) {
      throw new UncheckedIOException(request + " failed", failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted during " + request, interrupted);
    }
  }

  @Override
  public void close() {
    cleanup.close();
  }
}
