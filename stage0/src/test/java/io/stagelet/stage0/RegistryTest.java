package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The registry client against a registry that behaves well, and in many ways not. */
@Timeout(30)
class RegistryTest {
  private static final RegistrySettings SETTINGS =
      new RegistrySettings(
          Duration.ofSeconds(2),
          Duration.ofMillis(500),
          3,
          Duration.ofMillis(5),
          4,
          Duration.ofSeconds(1),
          3,
          32 << 10);
  private static final byte[] MANIFEST =
      "{\"config\":{},\"layers\":[]}".getBytes(java.nio.charset.StandardCharsets.UTF_8);
  private static final byte[] BLOB = blob();

  private TestRegistry registry;
  private RegistryClient client;

  private static byte[] blob() {
    byte[] bytes = new byte[1 << 20];
    new Random(1).nextBytes(bytes);
    return bytes;
  }

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    client =
        new RegistryClient(
            SETTINGS, Registries.of(RegistryEndpoints.named(Set.of())), Clock.systemUTC());
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  private RegistryClient.Found find(Credentials credentials) throws InterruptedException {
    registry.manifest("1", MANIFEST);
    return client.find(registry.reference("a/b:1"), credentials);
  }

  private byte[] download(Digest digest, long size) throws InterruptedException {
    MirroredRepository repository = find(Credentials.none()).repository();
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    try (BlobStream stream = new BlobStream(repository, new BlobDescriptor("", digest, size))) {
      byte[] buffer = new byte[10_000];
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        content.write(buffer, 0, count);
      }
    }
    return content.toByteArray();
  }

  private static ErrorCode code(Throwable failure) {
    return ((StageletException) failure).code();
  }

  private static boolean isBlob(HttpExchange exchange) {
    return exchange.getRequestURI().getPath().contains("/blobs/");
  }

  @Test
  void aManifestIsFoundByTagAndByDigest() throws InterruptedException {
    Digest digest = registry.manifest("1", MANIFEST);

    assertThat(find(Credentials.none()).manifest().digest()).isEqualTo(digest);
    assertThat(
            client
                .find(registry.reference("a/b:9@" + digest), Credentials.none())
                .manifest()
                .bytes())
        .isEqualTo(MANIFEST);
  }

  @Test
  void aManifestWithAnotherDigestIsDamaged() {
    registry.fault =
        exchange -> {
          TestRegistry.reply(exchange, 200, "{}");
          return true;
        };

    assertThatThrownBy(
            () -> client.find(registry.reference("a/b@" + Digest.of(MANIFEST)), Credentials.none()))
        .hasMessageContaining("is damaged")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.DATA_LOSS));
  }

  @Test
  void aHugeManifestIsRefusedWithoutReadingItAll() {
    registry.fault =
        exchange -> {
          TestRegistry.serve(exchange, new byte[20 << 20], null);
          return true;
        };

    assertThatThrownBy(() -> find(Credentials.none()))
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.RESOURCE_EXHAUSTED));
  }

  @Test
  void whatIsNotThereIsNotFoundWithTheRegistrysWords() {
    assertThatThrownBy(() -> client.find(registry.reference("a/b:nope"), Credentials.none()))
        .hasMessageContaining("MANIFEST_UNKNOWN no such thing")
        .hasMessageContaining(registry.host() + "/a/b")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.NOT_FOUND));
    assertThat(registry.requests).hasSize(1);
  }

  @Test
  void aRegistryThatIsDownIsUnavailableInTheWordThatKubeletKnows() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    ImageReference reference = ImageReference.parse("127.0.0.1:" + port + "/a:1");

    assertThatThrownBy(() -> client.find(reference, Credentials.none()))
        .hasMessageContaining("RegistryUnavailable")
        .hasMessageContaining("refused the connection")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.UNAVAILABLE));
  }

  @Test
  void aHostThatDoesNotExistIsSaid() {
    assertThatThrownBy(
            () -> client.find(ImageReference.parse("no.such.host.invalid/a:1"), Credentials.none()))
        .hasMessageContaining("RegistryUnavailable")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.UNAVAILABLE));
  }

  @ParameterizedTest
  @ValueSource(ints = {429, 500, 503})
  void passingTroublesAreTriedAgain(int status) throws InterruptedException {
    AtomicInteger left = new AtomicInteger(2);
    registry.fault =
        exchange -> {
          if (left.getAndDecrement() > 0) {
            exchange.getResponseHeaders().set("Retry-After", "0");
            TestRegistry.reply(exchange, status, "busy");
            return true;
          }
          return false;
        };

    assertThat(find(Credentials.none()).manifest().bytes()).isEqualTo(MANIFEST);
  }

  @Test
  void aTroubleThatLastsIsUnavailable() {
    registry.fault =
        exchange -> {
          TestRegistry.reply(exchange, 503, "maintenance");
          return true;
        };

    assertThatThrownBy(() -> find(Credentials.none()))
        .hasMessageContaining("RegistryUnavailable")
        .hasMessageContaining("maintenance");
    assertThat(registry.requests).hasSize(3);
  }

  @ParameterizedTest
  @CsvSource({"401", "403"})
  void whatIsDeniedIsPermissionDenied(int status) {
    registry.fault =
        exchange -> {
          TestRegistry.reply(
              exchange, status, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not you\"}]}");
          return true;
        };

    assertThatThrownBy(() -> find(new Credentials.RegistryToken("secret-token")))
        .hasMessageContaining("not you")
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("secret-token"))
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.PERMISSION_DENIED));
  }

  @Test
  void basicCredentialsAreSentWhenAsked() throws InterruptedException {
    registry.fault = exchange -> challenge(exchange, "Basic dTpw", "Basic realm=\"r\"");

    assertThat(find(new Credentials.Basic("u", "p")).manifest().bytes()).isEqualTo(MANIFEST);
    assertThat(registry.requests.getFirst()).doesNotContain("Basic");
    assertThatThrownBy(() -> find(Credentials.none()))
        .hasMessageContaining("there is none")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.PERMISSION_DENIED));
  }

  @Test
  void aBearerTokenIsFetchedFromTheServiceNamedAndKept() throws InterruptedException {
    registry.fault = this::wantToken;

    find(new Credentials.Basic("u", "p"));
    find(new Credentials.Basic("u", "p"));

    assertThat(registry.requests)
        .containsExactly(
            "GET /v2/a/b/manifests/1",
            "GET /token Basic dTpw",
            "GET /v2/a/b/manifests/1 Bearer good",
            "GET /v2/a/b/manifests/1 Bearer good");
  }

  @Test
  void anIdentityTokenIsChangedIntoABearerToken() throws InterruptedException {
    registry.fault = this::wantToken;

    find(new Credentials.IdentityToken("identity"));

    assertThat(registry.requests).contains("POST /token", "GET /v2/a/b/manifests/1 Bearer good");
  }

  @Test
  void anExpiredTokenIsRenewed() throws InterruptedException {
    registry.fault = this::wantToken;
    find(Credentials.none());
    registry.fault =
        exchange -> {
          String sent = exchange.getRequestHeaders().getFirst("Authorization");
          if ("Bearer good".equals(sent)) {
            registry.fault = this::wantToken;
            return challenge(exchange, "Bearer better", tokenChallenge());
          }
          return wantToken(exchange);
        };

    assertThat(find(Credentials.none()).manifest().bytes()).isEqualTo(MANIFEST);
  }

  private boolean wantToken(HttpExchange exchange) throws IOException {
    if (exchange.getRequestURI().getPath().equals("/token")) {
      String query = exchange.getRequestURI().getQuery();
      String posted =
          new String(
              exchange.getRequestBody().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
      boolean right =
          query == null
              ? posted.contains("refresh_token=identity") && posted.contains("service=s")
              : query.contains("scope=repository:a/b:pull") && query.contains("service=s");
      TestRegistry.reply(exchange, right ? 200 : 400, "{\"token\":\"good\",\"expires_in\":300}");
      return true;
    }
    return challenge(exchange, "Bearer good", tokenChallenge());
  }

  private String tokenChallenge() {
    return "Bearer realm=\"http://%s/token\",service=\"s\",scope=\"repository:a/b:pull\""
        .formatted(registry.host());
  }

  private static boolean challenge(HttpExchange exchange, String wanted, String challenge)
      throws IOException {
    if (wanted.equals(exchange.getRequestHeaders().getFirst("Authorization"))) {
      return false;
    }
    exchange.getResponseHeaders().set("WWW-Authenticate", challenge);
    TestRegistry.reply(exchange, 401, "");
    return true;
  }

  @Test
  void aRedirectToAnotherServerGetsNoCredentials() throws Exception {
    try (TestRegistry storage = new TestRegistry()) {
      Digest digest = storage.blob(BLOB);
      registry.fault =
          exchange -> {
            if (isBlob(exchange)) {
              exchange
                  .getResponseHeaders()
                  .set("Location", "http://%s/blobs/%s".formatted(storage.host(), digest));
              exchange.sendResponseHeaders(307, -1);
              return true;
            }
            return challenge(exchange, "Basic dTpw", "Basic realm=\"r\"");
          };
      RemoteRepository repository =
          find(new Credentials.Basic("u", "p")).repository().places().getFirst();
      RemoteRepository.BlobBody body = repository.open(digest, 0);

      assertThat(body.body().readAll(BLOB.length)).isEqualTo(BLOB);
      assertThat(registry.requests.getLast()).contains("Basic dTpw");
      assertThat(storage.requests).containsExactly("GET /blobs/" + digest);
    }
  }

  @Test
  void redirectsWithoutEndAndToOtherProtocolsAreRefused() {
    registry.fault =
        exchange -> {
          exchange.getResponseHeaders().set("Location", exchange.getRequestURI().toString());
          exchange.sendResponseHeaders(302, -1);
          return true;
        };
    assertThatThrownBy(() -> find(Credentials.none())).hasMessageContaining("redirects more than");

    registry.fault =
        exchange -> {
          exchange.getResponseHeaders().set("Location", "file:///etc/passwd");
          exchange.sendResponseHeaders(302, -1);
          return true;
        };
    assertThatThrownBy(() -> find(Credentials.none())).hasMessageContaining("is refused");
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aTransferThatBreaksOffIsResumedWhereItWas(boolean ranges) throws InterruptedException {
    Digest digest = registry.blob(BLOB);
    registry.ranges = ranges;
    AtomicInteger left = new AtomicInteger(ranges ? 4 : 2);
    registry.fault =
        exchange -> {
          if (isBlob(exchange) && left.getAndDecrement() > 0) {
            breakOff(exchange, ranges);
            return true;
          }
          return false;
        };

    assertThat(download(digest, BLOB.length)).isEqualTo(BLOB);
    assertThat(registry.requests)
        .filteredOn(request -> request.contains("bytes="))
        .hasSize(ranges ? 4 : 2);
  }

  /** Sends 200,000 bytes more than was had, and closes the connection. */
  private static void breakOff(HttpExchange exchange, boolean ranges) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    int start = range == null || !ranges ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
    if (start > 0) {
      exchange
          .getResponseHeaders()
          .set("Content-Range", "bytes %d-%d/%d".formatted(start, BLOB.length - 1, BLOB.length));
    }
    exchange.sendResponseHeaders(start > 0 ? 206 : 200, BLOB.length - start);
    OutputStream body = exchange.getResponseBody();
    body.write(BLOB, start, Math.min(200_000, BLOB.length - start));
    body.flush();
    exchange.close();
  }

  @Test
  void aTransferThatFallsSilentIsResumed() throws InterruptedException {
    Digest digest = registry.blob(BLOB);
    AtomicInteger left = new AtomicInteger(1);
    registry.fault =
        exchange -> {
          if (isBlob(exchange) && left.getAndDecrement() > 0) {
            exchange.sendResponseHeaders(200, BLOB.length);
            OutputStream body = exchange.getResponseBody();
            body.write(BLOB, 0, 300_000);
            body.flush();
            sleep(10_000);
            return true;
          }
          return false;
        };

    assertThat(download(digest, BLOB.length)).isEqualTo(BLOB);
    assertThat(registry.requests.getLast()).contains("bytes=300000-");
  }

  @Test
  void silenceWithoutEndIsUnavailable() {
    Digest digest = registry.blob(BLOB);
    registry.fault =
        exchange -> {
          if (isBlob(exchange)) {
            exchange.sendResponseHeaders(200, BLOB.length);
            exchange.getResponseBody().flush();
            sleep(10_000);
            return true;
          }
          return false;
        };

    assertThatThrownBy(() -> download(digest, BLOB.length))
        .hasMessageContaining("RegistryUnavailable")
        .hasMessageContaining("at byte 0 of 1048576")
        .hasMessageContaining("sent nothing");
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void aBlobThatIsLongerThanItsManifestSaysIsRefused() {
    Digest digest = registry.blob(BLOB);

    assertThatThrownBy(() -> download(digest, 1000))
        .hasMessageContaining("longer than the 1000 bytes")
        .satisfies(e -> assertThat(code(e)).isEqualTo(ErrorCode.DATA_LOSS));
  }

  @Test
  void aDocumentWithAWrongDigestIsDamaged() throws InterruptedException {
    Digest digest = Digest.of(new byte[] {1});
    registry.fault =
        exchange -> {
          if (isBlob(exchange)) {
            TestRegistry.reply(exchange, 200, "x");
            return true;
          }
          return false;
        };
    MirroredRepository repository = find(Credentials.none()).repository();

    assertThatThrownBy(() -> repository.document(new BlobDescriptor("", digest, 1)))
        .hasMessageContaining("is damaged");
  }

  @Test
  void theNextEndpointIsTriedAndAllFailuresAreTold() throws Exception {
    registry.manifest("1", MANIFEST);
    RegistryEndpoint down =
        new RegistryEndpoint("127.0.0.1:1/a", URI.create("http://127.0.0.1:1"), "a", true, true);
    RegistryEndpoint up =
        new RegistryEndpoint(
            registry.host() + "/mirror/a",
            URI.create("http://" + registry.host()),
            "mirror/a",
            true,
            false);
    ImageReference reference = ImageReference.parse("example.com/a:1");

    RegistryClient mirrored =
        new RegistryClient(SETTINGS, Registries.of(_ -> List.of(down, up)), Clock.systemUTC());
    assertThat(mirrored.find(reference, Credentials.none()).manifest().bytes()).isEqualTo(MANIFEST);
    assertThat(registry.requests).containsExactly("GET /v2/mirror/a/manifests/1");
    assertThatThrownBy(
            () -> mirrored.find(ImageReference.parse("example.com/a:2"), Credentials.none()))
        .hasMessageContaining("MANIFEST_UNKNOWN")
        .hasMessageContaining("127.0.0.1:1 refused");
  }

  @ParameterizedTest
  @CsvSource({
    "busybox, https://registry-1.docker.io/v2/library/busybox/manifests/latest",
    "quay.io/a/b, https://quay.io/v2/a/b/manifests/latest",
    "localhost:5000/a, http://localhost:5000/v2/a/manifests/latest",
    "127.1.2.3/a, http://127.1.2.3/v2/a/manifests/latest",
    "[::1]:5000/a, http://[::1]:5000/v2/a/manifests/latest",
    "insecure.example/a, https://insecure.example/v2/a/manifests/latest",
    "127.0.0.1.example/a, https://127.0.0.1.example/v2/a/manifests/latest",
  })
  void registriesAreAskedSecurelyExceptOnThisMachine(String name, String uri) {
    RegistryEndpoint endpoint =
        RegistryEndpoints.named(Set.of("insecure.example"))
            .of(ImageReference.parse(name))
            .getFirst();

    assertThat(endpoint.resolve("manifests/latest")).hasToString(uri);
  }

  @Test
  void anInsecureRegistryMayHaveAnyCertificateOrNone() {
    assertThat(RegistryEndpoints.named(Set.of("host")).of(ImageReference.parse("host:5000/a")))
        .containsExactly(
            new RegistryEndpoint("host:5000/a", URI.create("https://host:5000"), "a", false, true),
            new RegistryEndpoint("host:5000/a", URI.create("http://host:5000"), "a", true, false));
  }

  @Test
  void aProxyOfTheEnvironmentIsAskedInTheRegistrysPlace(@TempDir Path nothing)
      throws InterruptedException {
    RegistryFiles files =
        new RegistryFiles(
            nothing.resolve("registries.conf"),
            nothing.resolve("registries.conf.d"),
            List.of(),
            List.of(),
            nothing.resolve("policy.json"),
            nothing.resolve("registries.d"));
    registry.manifest("1", MANIFEST);
    RegistryClient proxied =
        new RegistryClient(
            SETTINGS,
            Registries.of(
                files,
                Set.of("registry.invalid:5000"),
                Map.of("HTTP_PROXY", "http://name:secret@" + registry.host())),
            Clock.systemUTC());
    RegistryClient.Found found =
        proxied.find(ImageReference.parse("registry.invalid:5000/a/b:1"), Credentials.none());

    assertThat(found.manifest().bytes()).isEqualTo(MANIFEST);
    assertThat(registry.requests).containsExactly("GET /v2/a/b/manifests/1");
  }
}
