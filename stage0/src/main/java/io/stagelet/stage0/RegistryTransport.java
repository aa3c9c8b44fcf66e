package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.UnresolvedAddressException;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Sends one HTTP request and follows its redirects. HTTP/1.1, so that each layer has a connection
 * of its own. Credentials stay with the server they were meant for.
 */
final class RegistryTransport implements AutoCloseable {
  private static final int REDIRECTS = 10;
  private static final Set<Integer> REDIRECT = Set.of(301, 302, 303, 307, 308);
  private static final String AUTHORIZATION = "authorization";

  private final RegistrySettings settings;
  private final HttpClient verifying;
  private @Nullable HttpClient trustingAll;

  RegistryTransport(RegistrySettings settings) {
    this.settings = settings;
    this.verifying = builder(settings).build();
  }

  private static HttpClient.Builder builder(RegistrySettings settings) {
    return HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1)
        .followRedirects(HttpClient.Redirect.NEVER)
        .connectTimeout(settings.connectTimeout());
  }

  /**
   * The answer to a GET, its body still to be read and to be closed.
   *
   * @param headers by lower-case name
   * @throws IOException when no answer came
   */
  HttpResponse<BodyReader> get(URI uri, Map<String, String> headers, boolean verified)
      throws IOException, InterruptedException {
    Map<String, String> sent = new LinkedHashMap<>(headers);
    URI current = uri;
    for (int hops = 0; hops <= REDIRECTS; hops++) {
      HttpRequest.Builder request = HttpRequest.newBuilder(current).GET();
      sent.forEach(request::setHeader);
      HttpResponse<BodyReader> response = send(request.build(), verified);
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
  HttpResponse<BodyReader> post(URI uri, String form, boolean verified)
      throws IOException, InterruptedException {
    return send(
        HttpRequest.newBuilder(uri)
            .setHeader("content-type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(form))
            .build(),
        verified);
  }

  /** How long silence is borne. */
  Duration silence() {
    return settings.stallTimeout();
  }

  private HttpResponse<BodyReader> send(HttpRequest request, boolean verified)
      throws IOException, InterruptedException {
    CompletableFuture<HttpResponse<BodyReader>> answer =
        client(verified).sendAsync(request, head -> new BodyReader());
    Duration patience = settings.connectTimeout().plus(settings.stallTimeout());
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

  private synchronized HttpClient client(boolean verified) {
    if (verified) {
      return verifying;
    }
    if (trustingAll == null) {
      trustingAll = builder(settings).sslContext(anyCertificate()).build();
    }
    return trustingAll;
  }

  /** For registries that the administrator called insecure. */
  private static SSLContext anyCertificate() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, new TrustManager[] {new TrustsAnybody()}, new SecureRandom());
      return context;
    } catch (GeneralSecurityException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL, "this Java has no TLS: " + failure.getMessage(), failure);
    }
  }

  @Override
  public synchronized void close() {
    verifying.shutdownNow();
    if (trustingAll != null) {
      trustingAll.shutdownNow();
    }
  }

  /** Extended, so that the JDK does not check the host's name either. */
  private static final class TrustsAnybody extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, java.net.Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
