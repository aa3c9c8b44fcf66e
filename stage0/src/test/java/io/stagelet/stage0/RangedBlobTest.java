package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpExchange;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class RangedBlobTest {
  private static final int RANGE = 64 << 10;
  private static final RegistrySettings SETTINGS =
      new RegistrySettings(
          Duration.ofSeconds(2),
          Duration.ofSeconds(2),
          2,
          Duration.ofMillis(5),
          4,
          Duration.ofSeconds(1),
          3,
          RANGE);
  private static final byte[] MANIFEST =
      "{\"config\":{},\"layers\":[]}".getBytes(java.nio.charset.StandardCharsets.UTF_8);
  private static final byte[] BLOB = blob();

  private final PullCounters counters = new PullCounters();
  private TestRegistry registry;
  private RegistryClient client;

  private static byte[] blob() {
    // no whole number of ranges
    byte[] bytes = new byte[10 * RANGE + 12_345];
    new Random(1).nextBytes(bytes);
    return bytes;
  }

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    client =
        new RegistryClient(
            SETTINGS,
            Registries.of(RegistryEndpoints.named(Set.of())),
            Clock.systemUTC(),
            counters);
    registry.manifest("1", MANIFEST);
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  /** The blob, with a pause after each read. */
  private byte[] download(int pauseMillis) throws IOException, InterruptedException {
    MirroredRepository repository =
        client.find(registry.reference("a/b:1"), Credentials.none()).repository();
    BlobDescriptor blob = new BlobDescriptor("", registry.blob(BLOB), BLOB.length);
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    try (ImageSource.PackedLayer stream = repository.open(blob)) {
      byte[] buffer = new byte[10_000];
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        content.write(buffer, 0, count);
        assertThat(stream.position()).isEqualTo(content.size());
        Thread.sleep(pauseMillis);
      }
    }
    return content.toByteArray();
  }

  private List<String> blobRequests() {
    return registry.requests.stream().filter(request -> request.contains("/blobs/")).toList();
  }

  private static boolean isRange(HttpExchange exchange) {
    return exchange.getRequestHeaders().getFirst("Range") != null;
  }

  @Test
  void aLayerOfASlowRegistryComesInRanges() throws IOException, InterruptedException {
    registry.pauseMillis = 20;

    assertThat(download(0)).isEqualTo(BLOB);

    // the first range's worth, and perhaps a little more, came without
    assertThat(blobRequests()).hasSizeBetween(10, 11);
    assertThat(blobRequests().stream().skip(1)).allMatch(each -> each.matches(".*bytes=\\d+-\\d*"));
    assertThat(counters.figures().ranged()).isOne();
    assertThat(counters.figures().receivedBytes()).isGreaterThanOrEqualTo(BLOB.length);
    assertThat(
            client.find(registry.reference("a/b:1"), Credentials.none()).repository().transfers())
        .satisfies(transfers -> assertThat(transfers.ranged().availablePermits()).isOne());
  }

  @Test
  void whereTheReaderIsWhatTakesTheTimeOneConnectionIsEnough()
      throws IOException, InterruptedException {
    assertThat(download(3)).isEqualTo(BLOB);

    assertThat(blobRequests()).hasSize(1);
    assertThat(counters.figures().ranged()).isZero();
  }

  @Test
  void aRegistryThatServesNoRangesIsNotAskedForThem() throws IOException, InterruptedException {
    registry.ranges = false;
    registry.pauseMillis = 10;

    assertThat(download(0)).isEqualTo(BLOB);

    assertThat(blobRequests()).hasSize(1);
  }

  @Test
  void onlyOneLayerAtATimeComesInRanges() throws IOException, InterruptedException {
    registry.pauseMillis = 10;
    MirroredRepository repository =
        client.find(registry.reference("a/b:1"), Credentials.none()).repository();
    assertThat(repository.transfers().ranged().tryAcquire()).isTrue();

    assertThat(download(0)).isEqualTo(BLOB);

    assertThat(blobRequests()).hasSize(1);
  }

  @Test
  void aRangeThatBreaksOffIsResumed() throws IOException, InterruptedException {
    registry.pauseMillis = 20;
    AtomicInteger left = new AtomicInteger(2);
    registry.fault =
        exchange -> {
          if (isRange(exchange) && left.getAndDecrement() > 0) {
            exchange.getResponseHeaders().set("Content-Range", range(exchange));
            exchange.sendResponseHeaders(206, RANGE);
            exchange.getResponseBody().write(BLOB, start(exchange), 1000);
            exchange.getResponseBody().flush();
            exchange.close();
            return true;
          }
          return false;
        };

    assertThat(download(0)).isEqualTo(BLOB);

    // a connection that breaks before its answer was read is asked again without being counted
    assertThat(left.get()).isNegative();
    assertThat(counters.figures().broken()).isLessThanOrEqualTo(2);
    assertThat(counters.figures().ranged()).isOne();
  }

  private static int start(HttpExchange exchange) {
    return Integer.parseInt(
        exchange.getRequestHeaders().getFirst("Range").replaceAll("bytes=(\\d+)-.*", "$1"));
  }

  private static String range(HttpExchange exchange) {
    return exchange.getRequestHeaders().getFirst("Range").replace('=', ' ') + "/" + BLOB.length;
  }

  @Test
  void aRegistryThatRefusesRangesAfterAllGivesTheRestOverOneConnection()
      throws IOException, InterruptedException {
    registry.pauseMillis = 20;
    registry.fault =
        exchange -> {
          if (isRange(exchange) && !exchange.getRequestHeaders().getFirst("Range").endsWith("-")) {
            TestRegistry.reply(exchange, 416, "no");
            return true;
          }
          return false;
        };

    assertThat(download(0)).isEqualTo(BLOB);

    assertThat(blobRequests().getLast()).matches(".*bytes=\\d+-");
  }

  @Test
  void aRegistryThatSendsAllOfItInsteadOfARangeIsLeftAloneWithThem()
      throws IOException, InterruptedException {
    registry.pauseMillis = 20;
    registry.fault =
        exchange -> {
          if (isRange(exchange) && !exchange.getRequestHeaders().getFirst("Range").endsWith("-")) {
            TestRegistry.serve(exchange, BLOB, null);
            return true;
          }
          return false;
        };

    assertThat(download(0)).isEqualTo(BLOB);
  }

  @Test
  void silenceIsCountedAsSuch() {
    registry.fault =
        exchange -> {
          if (exchange.getRequestURI().getPath().contains("/blobs/")) {
            exchange.sendResponseHeaders(200, BLOB.length);
            exchange.getResponseBody().flush();
            sleep();
            return true;
          }
          return false;
        };

    assertThatThrownBy(() -> download(0))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("RegistryUnavailable");

    assertThat(counters.figures().stalled()).isEqualTo(2);
    assertThat(counters.figures().broken()).isZero();
  }

  private static void sleep() {
    try {
      Thread.sleep(10_000);
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }
}
