package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Finds the {@code Authorization} header that a registry wants: none, basic, or a token from the
 * service that the registry names (distribution specification, "Token Authentication"). Tokens are
 * kept until shortly before they expire.
 */
final class RegistryAuthorization {
  /** What a token is good for. */
  private record Key(URI base, String repository, Credentials credentials) {}

  private record Header(String value, Instant expires) {}

  private static final Duration DEFAULT_LIFE = Duration.ofSeconds(60);
  private static final Duration MARGIN = Duration.ofSeconds(10);
  private static final int LONGEST_ANSWER = 1 << 20;

  private final RegistryTransport transport;
  private final Clock clock;
  private final Map<Key, Header> known = new ConcurrentHashMap<>();

  RegistryAuthorization(RegistryTransport transport, Clock clock) {
    this.transport = transport;
    this.clock = clock;
  }

  /** What worked before and has not expired. */
  Optional<String> known(RegistryEndpoint endpoint, Credentials credentials) {
    if (credentials instanceof Credentials.RegistryToken(String token)) {
      return Optional.of("Bearer " + token);
    }
    Header header = known.get(key(endpoint, credentials));
    return header == null || header.expires().isBefore(clock.instant())
        ? Optional.empty()
        : Optional.of(header.value());
  }

  /**
   * A new header, for a server that answered 401.
   *
   * @throws StageletException {@code PERMISSION_DENIED} when there is none for these credentials
   */
  String answer(RegistryEndpoint endpoint, Credentials credentials, RegistryResponse unauthorized)
      throws IOException, InterruptedException {
    List<AuthChallenge> challenges =
        unauthorized.headers("www-authenticate").stream()
            .flatMap(value -> AuthChallenge.parse(value).stream())
            .toList();
    Header header = null;
    for (AuthChallenge challenge : challenges) {
      if (challenge.scheme().equals("bearer")) {
        header = token(endpoint, credentials, challenge);
        break;
      }
      if (challenge.scheme().equals("basic")
          && credentials instanceof Credentials.Basic(String user, String password)) {
        header = new Header(basic(user, password), Instant.MAX);
        break;
      }
    }
    if (header == null) {
      throw new StageletException(
          ErrorCode.PERMISSION_DENIED,
          "%s wants authentication (%s), and the pull secrets hold nothing that fits (%s)"
              .formatted(
                  endpoint.base(),
                  challenges.isEmpty() ? "it does not say which" : challenges.getFirst().scheme(),
                  credentials instanceof Credentials.None ? "there is none" : credentials));
    }
    known.put(key(endpoint, credentials), header);
    return header.value();
  }

  /** What was taken for good is not. */
  void forget(RegistryEndpoint endpoint, Credentials credentials) {
    known.remove(key(endpoint, credentials));
  }

  private Header token(RegistryEndpoint endpoint, Credentials credentials, AuthChallenge challenge)
      throws IOException, InterruptedException {
    URI realm = realm(endpoint, challenge);
    String scope =
        challenge.parameter("scope").isEmpty()
            ? "repository:" + endpoint.repository() + ":pull"
            : challenge.parameter("scope");
    String service = challenge.parameter("service");
    RegistryResponse response;
    if (credentials instanceof Credentials.IdentityToken(String identity)) {
      response =
          transport.post(
              realm,
              "grant_type=refresh_token&client_id=stagelet&service=%s&scope=%s&refresh_token=%s"
                  .formatted(encode(service), encode(scope), encode(identity)),
              endpoint);
    } else {
      String query =
          (realm.getRawQuery() == null ? "?" : "&")
              + "scope="
              + encode(scope)
              + (service.isEmpty() ? "" : "&service=" + encode(service));
      Map<String, String> headers =
          credentials instanceof Credentials.Basic(String user, String password)
              ? Map.of("authorization", basic(user, password))
              : Map.of();
      response = transport.get(URI.create(realm + query), headers, endpoint);
    }
    try (BodyReader body = response.body()) {
      if (response.statusCode() != 200) {
        throw RegistryAnswers.refused("the token service " + realm.getRawAuthority(), response);
      }
      return header(body.readAll(LONGEST_ANSWER), realm);
    }
  }

  private Header header(byte[] answer, URI realm) {
    JsonNode json = Json.object(answer, "the answer of the token service " + realm);
    String token = Json.text(json, "token");
    if (token.isEmpty()) {
      token = Json.text(json, "access_token");
    }
    if (token.isEmpty()) {
      throw new StageletException(
          ErrorCode.PERMISSION_DENIED, "the token service %s gave no token".formatted(realm));
    }
    long seconds = json.path("expires_in").asLong(DEFAULT_LIFE.toSeconds());
    Duration life = Duration.ofSeconds(Math.clamp(seconds, 0, Duration.ofDays(1).toSeconds()));
    return new Header("Bearer " + token, clock.instant().plus(life).minus(MARGIN));
  }

  /** A registry with a safe connection must not have the password sent over an unsafe one. */
  private static URI realm(RegistryEndpoint endpoint, AuthChallenge challenge) {
    String text = challenge.parameter("realm");
    try {
      URI realm = URI.create(text);
      boolean safe =
          "https".equals(realm.getScheme())
              || ("http".equals(realm.getScheme()) && endpoint.base().getScheme().equals("http"));
      if (safe && realm.getHost() != null) {
        return realm;
      }
    } catch (IllegalArgumentException unreadable) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "RegistryUnavailable: %s names the token service \"%s\", which is no address"
              .formatted(endpoint.base(), text),
          unreadable);
    }
    throw new StageletException(
        ErrorCode.PERMISSION_DENIED,
        "%s names the token service \"%s\", which is refused: it is not HTTPS"
            .formatted(endpoint.base(), text));
  }

  private static Key key(RegistryEndpoint endpoint, Credentials credentials) {
    return new Key(endpoint.base(), endpoint.repository(), credentials);
  }

  private static String basic(String user, String password) {
    byte[] both = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
    return "Basic " + Base64.getEncoder().encodeToString(both);
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
