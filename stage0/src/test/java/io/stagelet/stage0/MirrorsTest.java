package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A mirror and the registry behind it. */
@Timeout(60)
class MirrorsTest {
  private static final RegistrySettings SETTINGS =
      new RegistrySettings(
          Duration.ofSeconds(2),
          Duration.ofMillis(500),
          3,
          Duration.ofMillis(5),
          4,
          Duration.ofMillis(500),
          3,
          32 << 10);
  private static final byte[] MANIFEST =
      "{\"config\":{},\"layers\":[]}".getBytes(java.nio.charset.StandardCharsets.UTF_8);

  private final byte[] blob = new byte[1 << 20];
  private TestRegistry mirror;
  private TestRegistry origin;
  private RegistryClient client;
  private ImageReference reference;

  @BeforeEach
  void start() throws IOException {
    new Random(3).nextBytes(blob);
    mirror = new TestRegistry();
    origin = new TestRegistry();
    reference = origin.reference("a/b:1");
    client =
        new RegistryClient(
            SETTINGS,
            Registries.of(_ ->
                List.of(
                    new RegistryEndpoint(
                        mirror.host() + "/hub/a/b",
                        URI.create("http://" + mirror.host()),
                        "hub/a/b",
                        true,
                        true),
                    new RegistryEndpoint(
                        origin.host() + "/a/b",
                        URI.create("http://" + origin.host()),
                        "a/b",
                        true,
                        false))),
            Clock.systemUTC());
    origin.manifest("1", MANIFEST);
    mirror.manifest("1", MANIFEST);
    origin.blob(blob);
  }

  @AfterEach
  void stop() {
    mirror.close();
    origin.close();
  }

  private byte[] download(MirroredRepository repository) throws InterruptedException {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    try (BlobStream stream =
        new BlobStream(repository, new BlobDescriptor("", Digest.of(blob), blob.length))) {
      byte[] buffer = new byte[10_000];
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        content.write(buffer, 0, count);
      }
    }
    return content.toByteArray();
  }

  @Test
  void theMirrorIsAskedFirstAndTheRegistryNotAtAll() throws InterruptedException {
    mirror.blob(blob);

    assertThat(download(client.find(reference, Credentials.none()).repository())).isEqualTo(blob);
    assertThat(mirror.requests.getFirst()).startsWith("GET /v2/hub/a/b/manifests/1");
    assertThat(origin.requests).isEmpty();
  }

  @Test
  void aPullSecretIsNotShownToTheMirror() throws InterruptedException {
    mirror.fault =
        exchange -> {
          TestRegistry.reply(exchange, 404, "");
          return true;
        };
    origin.fault =
        exchange -> {
          if (exchange.getRequestHeaders().containsKey("Authorization")) {
            return false;
          }
          exchange.getResponseHeaders().set("WWW-Authenticate", "Basic realm=\"x\"");
          TestRegistry.reply(exchange, 401, "");
          return true;
        };

    assertThat(client.find(reference, new Credentials.Basic("u", "p")).manifest().bytes())
        .isEqualTo(MANIFEST);
    assertThat(mirror.requests).noneMatch(request -> request.contains("Basic"));
    assertThat(origin.requests).anyMatch(request -> request.contains("Basic"));
  }

  @Test
  void aBlobThatTheMirrorLacksComesFromTheRegistry() throws InterruptedException {
    assertThat(download(client.find(reference, Credentials.none()).repository())).isEqualTo(blob);
  }

  @Test
  void whatBreaksOffAtTheMirrorGoesOnAtTheRegistry() throws InterruptedException {
    mirror.blob(blob);
    mirror.fault =
        exchange -> {
          if (!exchange.getRequestURI().getPath().contains("/blobs/")) {
            return false;
          }
          if (exchange.getRequestHeaders().containsKey("Range")) {
            TestRegistry.reply(exchange, 500, "gone");
            return true;
          }
          exchange.sendResponseHeaders(200, blob.length);
          OutputStream body = exchange.getResponseBody();
          body.write(blob, 0, 300_000);
          body.flush();
          throw new IOException("broken off");
        };

    assertThat(download(client.find(reference, Credentials.none()).repository())).isEqualTo(blob);
    assertThat(origin.requests)
        .anyMatch(request -> request.contains("/blobs/") && request.contains("bytes="));
  }

  @Test
  void aSilentMirrorIsLeftSoonAndAskedLastForAWhile() throws InterruptedException {
    mirror.fault =
        _ -> {
          sleep(5_000);
          return true;
        };
    assertThat(client.find(reference, Credentials.none()).repository().places()).hasSize(1);
    int asked = mirror.requests.size();

    assertThat(client.find(reference, Credentials.none()).manifest().bytes()).isEqualTo(MANIFEST);
    assertThat(mirror.requests).hasSize(asked);
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }
}
