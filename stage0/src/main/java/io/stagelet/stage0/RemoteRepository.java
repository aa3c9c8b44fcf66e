package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/**
 * One repository at one endpoint, as one user sees it (distribution specification, "Pull"). Passing
 * troubles are tried again.
 */
final class RemoteRepository {
  /** What a registry has under a reference: the document's bytes and its digest. */
  record Manifest(byte[] bytes, Digest digest) {}

  /**
   * A blob's bytes from {@code start} on.
   *
   * @param ranges whether the server says that it can begin and end anywhere
   */
  record BlobBody(BodyReader body, long start, boolean ranges) {}

  /** The distribution specification lets registries refuse larger ones. */
  private static final int LARGEST_MANIFEST = 4 << 20;

  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);
  private static final int MIRROR_ATTEMPTS = 2;

  private final RegistryTransport transport;
  private final RegistryAuthorization authorization;
  private final RegistrySettings settings;
  private final RegistryEndpoint endpoint;
  private final Credentials credentials;
  private final Clock clock;

  RemoteRepository(
      RegistryTransport transport,
      RegistryAuthorization authorization,
      RegistrySettings settings,
      RegistryEndpoint endpoint,
      Credentials credentials,
      Clock clock) {
    this.transport = transport;
    this.authorization = authorization;
    this.settings = settings;
    this.endpoint = endpoint;
    this.credentials = credentials;
    this.clock = clock;
  }

  /** The manifest under a tag or a digest; a digest is verified. */
  Manifest manifest(String tagOrDigest) throws InterruptedException {
    String what = "manifest %s of %s".formatted(tagOrDigest, this);
    byte[] bytes =
        document(
            "manifests/" + tagOrDigest,
            Map.of("accept", ManifestDocument.MEDIA_TYPES),
            LARGEST_MANIFEST,
            what);
    if (tagOrDigest.indexOf(':') >= 0) {
      Digest wanted = Digest.parse(tagOrDigest);
      wanted.verify(bytes, what);
      return new Manifest(bytes, wanted);
    }
    return new Manifest(bytes, Digest.of(bytes));
  }

  /** A small blob as a whole, verified. */
  byte[] document(BlobDescriptor blob) throws InterruptedException {
    String what = "blob %s of %s".formatted(blob.digest(), this);
    if (blob.size() > LARGEST_MANIFEST) {
      throw tooLarge(what);
    }
    byte[] bytes = document("blobs/" + blob.digest(), Map.of(), LARGEST_MANIFEST, what);
    blob.digest().verify(bytes, what);
    return bytes;
  }

  /** Opens a blob's transfer at {@code start} (bytes), or before it where the server cannot. */
  BlobBody open(Digest blob, long start) throws InterruptedException {
    return open(blob, start == 0 ? Map.of() : Map.of("range", "bytes=%d-".formatted(start)), start);
  }

  /** The same up to {@code end} (exclusive), or beyond it where the server cannot. */
  BlobBody open(Digest blob, long start, long end) throws InterruptedException {
    return open(blob, Map.of("range", "bytes=%d-%d".formatted(start, end - 1)), start);
  }

  private BlobBody open(Digest blob, Map<String, String> headers, long start)
      throws InterruptedException {
    String what = "blob %s of %s".formatted(blob, this);
    return untilItWorks(
        what,
        () -> {
          RegistryResponse response = request("blobs/" + blob, headers);
          return switch (response.statusCode()) {
            case 200 ->
                new BlobBody(
                    response.body(), 0, response.headers("accept-ranges").contains("bytes"));
            case 206 -> new BlobBody(response.body(), rangeStart(response, start), true);
            default -> throw refused(what, response);
          };
        });
  }

  /** {@code https://registry/repository}. */
  @Override
  public String toString() {
    return endpoint.base() + "/" + endpoint.repository();
  }

  private byte[] document(String path, Map<String, String> headers, int limit, String what)
      throws InterruptedException {
    return untilItWorks(
        what,
        () -> {
          RegistryResponse response = request(path, headers);
          if (response.statusCode() != 200) {
            throw refused(what, response);
          }
          try (BodyReader body = response.body()) {
            byte[] bytes = body.readAll(limit + 1);
            if (bytes.length > limit) {
              throw tooLarge(what);
            }
            return bytes;
          }
        });
  }

  private static StageletException tooLarge(String what) {
    return new StageletException(
        ErrorCode.RESOURCE_EXHAUSTED,
        "%s is larger than the %d bytes that are read of such a document"
            .formatted(what, LARGEST_MANIFEST));
  }

  /** One request, authenticated as far as it takes. */
  private RegistryResponse request(String path, Map<String, String> headers)
      throws IOException, InterruptedException {
    Map<String, String> sent = new LinkedHashMap<>(headers);
    Optional<String> known = authorization.known(endpoint, credentials);
    known.ifPresent(value -> sent.put("authorization", value));
    RegistryResponse response = transport.get(endpoint.resolve(path), sent, endpoint);
    if (response.statusCode() != 401 || credentials instanceof Credentials.RegistryToken) {
      return response;
    }
    response.body().close();
    authorization.forget(endpoint, credentials);
    sent.put("authorization", authorization.answer(endpoint, credentials, response));
    return transport.get(endpoint.resolve(path), sent, endpoint);
  }

  /** The answer says that a request may be repeated, and when. */
  private static final class PassingRefusal extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient StageletException refusal;
    private final transient Optional<Duration> pause;

    PassingRefusal(StageletException refusal, Optional<Duration> pause) {
      super(refusal);
      this.refusal = refusal;
      this.pause = pause;
    }
  }

  private StageletException refused(String what, RegistryResponse response)
      throws PassingRefusal, InterruptedException {
    StageletException refusal = RegistryAnswers.refused(what, response);
    if (RegistryAnswers.mayPass(response.statusCode())) {
      throw new PassingRefusal(refusal, retryAfter(response));
    }
    return refusal;
  }

  /** Seconds, or a date (RFC 9110, 10.2.3). */
  private Optional<Duration> retryAfter(RegistryResponse response) {
    return response
        .header("retry-after")
        .flatMap(value -> {
          try {
            return Optional.of(
                value.matches("[0-9]{1,9}")
                    ? Duration.ofSeconds(Long.parseLong(value))
                    : Duration.between(
                        clock.instant(),
                        Instant.from(
                            ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME))));
          } catch (DateTimeParseException unreadable) {
            return Optional.empty();
          }
        });
  }

  @FunctionalInterface
  private interface Attempt<T> {
    T run() throws IOException, InterruptedException, PassingRefusal;
  }

  private <T> T untilItWorks(String what, Attempt<T> attempt) throws InterruptedException {
    for (int number = 1; ; number++) {
      StageletException failed;
      Optional<Duration> asked = Optional.empty();
      try {
        return attempt.run();
      } catch (PassingRefusal refusal) {
        failed = refusal.refusal;
        asked = refusal.pause;
      } catch (IOException broken) {
        failed =
            RegistryAnswers.unavailable(
                "%s: %s".formatted(what, StageletException.reason(broken)), broken);
      }
      if (number >= attempts()) {
        throw failed;
      }
      Duration pause = asked.orElse(pause(number));
      if (pause.compareTo(LONGEST_PAUSE) > 0) {
        // whoever asked for the image asks again later; a pull that seems dead helps nobody
        throw failed;
      }
      if (pause.isPositive()) {
        Thread.sleep(pause);
      }
    }
  }

  /** How long to wait after the attempt of this number (from 1) failed, with some chance in it. */
  Duration pause(int number) {
    long base = settings.firstPause().toMillis() << Math.min(number - 1, 6);
    return Duration.ofMillis(
        Math.min(
            base + ThreadLocalRandom.current().nextLong(base / 2 + 1), LONGEST_PAUSE.toMillis()));
  }

  /** How often something is tried; a mirror is left for the next place soon. */
  int attempts() {
    return endpoint.mirror() ? Math.min(MIRROR_ATTEMPTS, settings.attempts()) : settings.attempts();
  }

  /** The place. */
  RegistryEndpoint endpoint() {
    return endpoint;
  }

  private static long rangeStart(RegistryResponse response, long asked) throws IOException {
    String range = response.header("content-range").orElse("");
    if (!range.startsWith("bytes " + asked + "-")) {
      response.body().close();
      throw new IOException(
          "asked for bytes from %d on, the registry sent \"%s\"".formatted(asked, range));
    }
    return asked;
  }
}
