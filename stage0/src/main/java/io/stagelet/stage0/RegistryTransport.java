package io.stagelet.stage0;

import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Sends one HTTP request and follows its redirects. HTTP/1.1, so that each layer has a connection
 * of its own. Credentials stay with the server they were meant for.
 */
final class RegistryTransport implements AutoCloseable {
  private static final int REDIRECTS = 10;
  private static final Set<Integer> REDIRECT = Set.of(301, 302, 303, 307, 308);
  private static final String AUTHORIZATION = "authorization";

  /** How long a mirror may think before it answers; there is somebody else to ask. */
  private static final Duration MIRROR_PATIENCE = Duration.ofSeconds(10);

  /** What makes a client of its own. */
  private record ClientKey(String host, String certificates, boolean verified, boolean mirror) {}

  private final RegistrySettings settings;
  private final CertificateDirectories certificates;
  private final Proxies proxies;
  private final Map<ClientKey, HttpClient> clients = new ConcurrentHashMap<>();

  RegistryTransport(
      RegistrySettings settings, CertificateDirectories certificates, Proxies proxies) {
    this.settings = settings;
    this.certificates = certificates;
    this.proxies = proxies;
  }

  /**
   * The answer to a GET, its body still to be read and to be closed.
   *
   * @param headers by lower-case name
   * @param endpoint says how the server is reached and checked
   * @throws IOException when no answer came
   */
  HttpResponse<BodyReader> get(URI uri, Map<String, String> headers, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    Map<String, String> sent = new LinkedHashMap<>(headers);
    URI current = uri;
    for (int hops = 0; hops <= REDIRECTS; hops++) {
      HttpRequest.Builder request = HttpRequest.newBuilder(current).GET();
      sent.forEach(request::setHeader);
      HttpResponse<BodyReader> response = send(request, current, endpoint);
      if (!REDIRECT.contains(response.statusCode())) {
        return response;
      }
      response.body().close();
      URI next = target(current, response);
      if (!sameServer(current, next)) {
        sent.remove(AUTHORIZATION);
      }
      current = next;
    }
    throw new IOException("%s redirects more than %d times".formatted(uri, REDIRECTS));
  }

  /** The answer to a form that is posted. */
  HttpResponse<BodyReader> post(URI uri, String form, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    return send(
        HttpRequest.newBuilder(uri)
            .setHeader("content-type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form)),
        uri,
        endpoint);
  }

  /** How long silence is borne. */
  Duration silence() {
    return settings.stallTimeout();
  }

  private HttpResponse<BodyReader> send(
      HttpRequest.Builder builder, URI uri, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    proxies.authorization(uri).ifPresent(value -> builder.setHeader("proxy-authorization", value));
    HttpRequest request = builder.build();
    CompletableFuture<HttpResponse<BodyReader>> answer =
        client(uri, endpoint).sendAsync(request, head -> new BodyReader());
    Duration thinking =
        endpoint.mirror() && MIRROR_PATIENCE.compareTo(settings.stallTimeout()) < 0
            ? MIRROR_PATIENCE
            : settings.stallTimeout();
    Duration patience = connectTimeout(endpoint.mirror()).plus(thinking);
    boolean done = false;
    try {
      HttpResponse<BodyReader> response = answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
      done = true;
      return response;
    } catch (TimeoutException late) {
      throw new IOException(
          "%s did not answer within %d s".formatted(server(request.uri()), patience.toSeconds()),
          late);
    } catch (ExecutionException failure) {
      Throwable cause = failure.getCause() == null ? failure : failure.getCause();
      throw new IOException(words(request.uri(), cause), cause);
    } finally {
      if (!done) {
        answer.cancel(true);
        // it may have been answered in this very moment
        var _ = answer.thenAccept(response -> response.body().close());
      }
    }
  }

  /** The JDK's exceptions for failed connections mostly have no message. */
  private static String words(URI uri, Throwable failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof UnresolvedAddressException) {
        return "there is no host %s in the DNS".formatted(uri.getHost());
      }
    }
    return switch (failure) {
      case HttpConnectTimeoutException late ->
          "%s did not take the connection in time".formatted(server(uri));
      case ConnectException refused when refused.getMessage() == null ->
          "%s refused the connection".formatted(server(uri));
      default -> "%s: %s".formatted(server(uri), StageletException.reason(failure));
    };
  }

  private static String server(URI uri) {
    return uri.getScheme() + "://" + uri.getRawAuthority();
  }

  private static URI target(URI from, HttpResponse<?> response) throws IOException {
    String location = response.headers().firstValue("location").orElse("");
    URI next;
    try {
      next = from.resolve(location);
    } catch (IllegalArgumentException unreadable) {
      throw new IOException(
          "%s redirects to \"%s\", which is no address".formatted(server(from), location),
          unreadable);
    }
    String scheme = next.getScheme() == null ? "" : next.getScheme().toLowerCase(Locale.ROOT);
    boolean weaker = from.getScheme().equals("https") && scheme.equals("http");
    if (location.isEmpty() || weaker || !(scheme.equals("https") || scheme.equals("http"))) {
      throw new IOException(
          "%s redirects to \"%s\", which is refused".formatted(server(from), location));
    }
    return next;
  }

  private static boolean sameServer(URI one, URI other) {
    return one.getScheme().equalsIgnoreCase(other.getScheme())
        && one.getRawAuthority().equalsIgnoreCase(other.getRawAuthority());
  }

  private HttpClient client(URI uri, RegistryEndpoint endpoint) {
    String authority = uri.getRawAuthority();
    // a registry's directory has the name that references have
    String host = authority.equals("registry-1.docker.io") ? "docker.io" : authority;
    String state = certificates.state(host);
    boolean ordinary = state.isEmpty();
    return clients.computeIfAbsent(
        new ClientKey(ordinary ? "" : host, state, endpoint.verified(), endpoint.mirror()),
        key ->
            // without a context of ours the JDK would read its own authorities, even for http
            HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(connectTimeout(key.mirror()))
                .proxy(proxies.selector())
                .sslContext(certificates.context(host, key.verified()))
                .build());
  }

  private Duration connectTimeout(boolean mirror) {
    return mirror ? settings.mirrorConnectTimeout() : settings.connectTimeout();
  }

  @Override
  public void close() {
    clients.values().forEach(HttpClient::shutdownNow);
  }
}
