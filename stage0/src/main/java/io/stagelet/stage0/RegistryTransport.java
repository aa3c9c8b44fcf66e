package io.stagelet.stage0;

import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Authenticator;
import java.net.ConnectException;
import java.net.HttpURLConnection;
import java.net.PasswordAuthentication;
import java.net.Proxy;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * Sends one HTTP request and follows its redirects. HTTP/1.1, so that each layer has a connection
 * of its own. Credentials stay with the server they were meant for.
 *
 * <p>By the JDK's blocking client: a body is read from its socket by the thread that wants it. The
 * newer one hands each piece over three times and copies it as often.
 */
final class RegistryTransport {
  private static final int REDIRECTS = 10;
  private static final Set<Integer> REDIRECT = Set.of(301, 302, 303, 307, 308);
  private static final String AUTHORIZATION = "authorization";

  /** How long a mirror may think before it answers; there is somebody else to ask. */
  private static final Duration MIRROR_PATIENCE = Duration.ofSeconds(10);

  static {
    // each new connection asks for the default, even where it is given another at once, and the
    // JDK's own would read all of its authorities
    HttpsURLConnection.setDefaultSSLSocketFactory(new NoSslSocketFactory());
  }

  /** What makes a way to speak TLS of its own. */
  private record TlsKey(String host, String certificates, boolean verified) {}

  /** Who the answer to a request comes from, and until when it must. */
  private record Patience(Duration connect, Duration silence) {
    Duration all() {
      return connect.plus(silence);
    }
  }

  private final RegistrySettings settings;
  private final CertificateDirectories certificates;
  private final Proxies proxies;
  private final Map<TlsKey, SSLSocketFactory> tls = new ConcurrentHashMap<>();
  private final Map<URI, Authenticator> proxyUsers = new ConcurrentHashMap<>();

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
  RegistryResponse get(URI uri, Map<String, String> headers, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    Map<String, String> sent = new LinkedHashMap<>(headers);
    URI current = uri;
    for (int hops = 0; hops <= REDIRECTS; hops++) {
      RegistryResponse response = send(current, sent, Optional.empty(), endpoint);
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
  RegistryResponse post(URI uri, String form, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    return send(
        uri,
        Map.of("content-type", "application/x-www-form-urlencoded"),
        Optional.of(form),
        endpoint);
  }

  /**
   * Waits for the answer's head. The request has a virtual thread of its own, which can be
   * interrupted: whoever waits may be of the other kind, and looking up a name cannot be ended.
   */
  private RegistryResponse send(
      URI uri, Map<String, String> headers, Optional<String> form, RegistryEndpoint endpoint)
      throws IOException, InterruptedException {
    Patience patience = patience(endpoint);
    CompletableFuture<RegistryResponse> answer = new CompletableFuture<>();
    Thread thread =
        Thread.ofVirtual()
            .name("request-" + uri.getHost())
            .start(() -> {
              try {
                RegistryResponse response = exchange(uri, headers, form, endpoint, patience);
                if (!answer.complete(response)) {
                  response.body().close();
                }
              } catch (IOException | RuntimeException | Error failure) {
                answer.completeExceptionally(failure);
              }
            });
    boolean received = false;
    try {
      RegistryResponse response = answer.get(patience.all().toMillis(), TimeUnit.MILLISECONDS);
      received = true;
      return response;
    } catch (TimeoutException late) {
      throw new IOException(silent(uri, patience.all()), late);
    } catch (ExecutionException failure) {
      throw rethrown(uri, failure.getCause(), patience);
    } finally {
      if (!received && answer.cancel(false)) {
        thread.interrupt();
      } else if (!received) {
        // it was answered in this very moment
        var _ = answer.thenAccept(response -> response.body().close());
      }
    }
  }

  private static IOException rethrown(URI uri, @Nullable Throwable failure, Patience patience) {
    return switch (failure) {
      case StageletException known -> throw known;
      case Error error -> throw error;
      case null -> new IOException("the request to %s failed".formatted(server(uri)));
      default -> new IOException(words(uri, failure, patience), failure);
    };
  }

  private Patience patience(RegistryEndpoint endpoint) {
    Duration silence = settings.stallTimeout();
    return endpoint.mirror()
        ? new Patience(
            settings.mirrorConnectTimeout(),
            MIRROR_PATIENCE.compareTo(silence) < 0 ? MIRROR_PATIENCE : silence)
        : new Patience(settings.connectTimeout(), silence);
  }

  private RegistryResponse exchange(
      URI uri,
      Map<String, String> headers,
      Optional<String> form,
      RegistryEndpoint endpoint,
      Patience patience)
      throws IOException {
    HttpURLConnection connection = connection(uri, endpoint);
    connection.setInstanceFollowRedirects(false);
    connection.setConnectTimeout((int) patience.connect().toMillis());
    connection.setReadTimeout((int) patience.silence().toMillis());
    headers.forEach(connection::setRequestProperty);
    boolean answered = false;
    try {
      if (form.isPresent()) {
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.getOutputStream().write(form.get().getBytes(StandardCharsets.UTF_8));
      }
      int status = connection.getResponseCode();
      if (status < 0) {
        throw new IOException("the answer is not HTTP");
      }
      InputStream body = status < 400 ? connection.getInputStream() : connection.getErrorStream();
      answered = true;
      return new RegistryResponse(
          status,
          headers(connection),
          new BodyReader(
              connection,
              body == null ? InputStream.nullInputStream() : body,
              body == null ? 0 : connection.getContentLengthLong()));
    } finally {
      if (!answered) {
        connection.disconnect();
      }
    }
  }

  private HttpURLConnection connection(URI uri, RegistryEndpoint endpoint) throws IOException {
    Optional<URI> proxy = proxies.proxy(uri);
    HttpURLConnection connection =
        (HttpURLConnection)
            uri.toURL().openConnection(proxy.map(Proxies::asProxy).orElse(Proxy.NO_PROXY));
    if (connection instanceof HttpsURLConnection secure) {
      secure.setSSLSocketFactory(tls(uri, endpoint));
      proxy
          .filter(address -> address.getUserInfo() != null)
          // the JDK asks when the proxy refuses to lead through, and remembers
          .ifPresent(address ->
              connection.setAuthenticator(proxyUsers.computeIfAbsent(address, ProxyUser::new)));
    } else {
      proxies
          .authorization(uri)
          .ifPresent(value -> connection.setRequestProperty("proxy-authorization", value));
    }
    return connection;
  }

  /** Answers proxies, and no servers: their passwords are not its business. */
  private static final class ProxyUser extends Authenticator {
    private final URI proxy;

    ProxyUser(URI proxy) {
      this.proxy = proxy;
    }

    @Override
    protected @Nullable PasswordAuthentication getPasswordAuthentication() {
      if (getRequestorType() != RequestorType.PROXY) {
        return null;
      }
      String[] user = proxy.getUserInfo().split(":", 2);
      return new PasswordAuthentication(user[0], (user.length > 1 ? user[1] : "").toCharArray());
    }
  }

  private static Map<String, List<String>> headers(HttpURLConnection connection) {
    Map<String, List<String>> headers = new HashMap<>();
    connection
        .getHeaderFields()
        .forEach((name, values) -> {
          // the status line has no name
          if (name != null) {
            headers.put(name.toLowerCase(Locale.ROOT), List.copyOf(values));
          }
        });
    return headers;
  }

  private static String words(URI uri, Throwable failure, Patience patience) {
    return switch (failure) {
      case UnknownHostException _ -> "there is no host %s in the DNS".formatted(uri.getHost());
      case SocketTimeoutException late ->
          String.valueOf(late.getMessage()).toLowerCase(Locale.ROOT).contains("connect")
              ? "%s did not take the connection in time".formatted(server(uri))
              : silent(uri, patience.silence());
      case ConnectException _ -> "%s refused the connection".formatted(server(uri));
      default -> "%s: %s".formatted(server(uri), StageletException.reason(failure));
    };
  }

  private static String silent(URI uri, Duration patience) {
    return "%s did not answer within %d s".formatted(server(uri), patience.toSeconds());
  }

  private static String server(URI uri) {
    return uri.getScheme() + "://" + uri.getRawAuthority();
  }

  private static URI target(URI from, RegistryResponse response) throws IOException {
    String location = response.header("location").orElse("");
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

  private SSLSocketFactory tls(URI uri, RegistryEndpoint endpoint) {
    String authority = uri.getRawAuthority();
    // a registry's directory has the name that references have
    String host = authority.equals("registry-1.docker.io") ? "docker.io" : authority;
    String state = certificates.state(host);
    // connections are kept by their factory
    return tls.computeIfAbsent(
        new TlsKey(state.isEmpty() ? "" : host, state, endpoint.verified()),
        key -> certificates.context(host, key.verified()).getSocketFactory());
  }
}
