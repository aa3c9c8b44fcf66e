package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The proxies that the environment names, with the meaning that all programs written in Go give it:
 * {@code HTTPS_PROXY}, {@code HTTP_PROXY} and {@code NO_PROXY}, or the same in lower case. This
 * machine itself is never reached through one.
 */
public final class Proxies {
  private final Map<String, String> environment;
  private final List<String> direct;

  private Proxies(Map<String, String> environment, List<String> direct) {
    this.environment = Map.copyOf(environment);
    this.direct = direct;
  }

  /** No proxies. */
  public static Proxies none() {
    return new Proxies(Map.of(), List.of());
  }

  /** The proxies of {@code environment}; whether they are addresses shows when one is used. */
  public static Proxies of(Map<String, String> environment) {
    return new Proxies(
        environment,
        Arrays.stream(value(environment, "NO_PROXY").orElse("").split(","))
            .map(entry -> entry.strip().toLowerCase(Locale.ROOT))
            .filter(entry -> !entry.isEmpty())
            .toList());
  }

  private static Optional<String> value(Map<String, String> environment, String name) {
    return Stream.of(name, name.toLowerCase(Locale.ROOT))
        .map(key -> environment.getOrDefault(key, ""))
        .filter(value -> !value.isBlank())
        .findFirst();
  }

  private static Optional<URI> address(Map<String, String> environment, String name) {
    return value(environment, name)
        .map(text -> {
          try {
            URI uri = URI.create(text.contains("://") ? text : "http://" + text);
            if (uri.getHost() != null && "http".equals(uri.getScheme())) {
              return uri;
            }
          } catch (IllegalArgumentException unreadable) {
            throw new StageletException(
                ErrorCode.INVALID_ARGUMENT,
                "%s is \"%s\", which is no address".formatted(name, text),
                unreadable);
          }
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "%s is \"%s\"; it must be http://host:port".formatted(name, text));
        });
  }

  /**
   * The proxy for {@code uri}; empty where it is reached directly.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the environment names none that can be
   *     used
   */
  Optional<URI> proxy(URI uri) {
    String host = uri.getHost();
    if (host == null || isDirect(host.toLowerCase(Locale.ROOT), uri.getPort())) {
      return Optional.empty();
    }
    return address(environment, "https".equals(uri.getScheme()) ? "HTTPS_PROXY" : "HTTP_PROXY");
  }

  /** Name and password for the proxy of {@code uri}, as a header's value. */
  Optional<String> authorization(URI uri) {
    return proxy(uri)
        .map(URI::getUserInfo)
        .map(user ->
            "Basic " + Base64.getEncoder().encodeToString(user.getBytes(StandardCharsets.UTF_8)));
  }

  private boolean isDirect(String bracketed, int port) {
    String host =
        bracketed.startsWith("[") ? bracketed.substring(1, bracketed.length() - 1) : bracketed;
    if (host.equals("localhost") || host.equals("::1") || host.startsWith("127.")) {
      return true;
    }
    return direct.stream().anyMatch(entry -> covers(entry, host, port));
  }

  private static boolean covers(String entry, String host, int port) {
    if (entry.equals("*") || entry.equals(host) || entry.equals(host + ":" + port)) {
      return true;
    }
    int slash = entry.indexOf('/');
    if (slash > 0) {
      return inNetwork(entry.substring(0, slash), entry.substring(slash + 1), host);
    }
    String name = entry.startsWith("*.") ? entry.substring(1) : entry;
    return host.endsWith(name.startsWith(".") ? name : "." + name);
  }

  private static boolean inNetwork(String network, String length, String host) {
    if (!host.matches("[0-9.]+|[0-9a-f:]*:[0-9a-f:.]+") || !length.matches("[0-9]{1,3}")) {
      return false;
    }
    try {
      byte[] one = InetAddress.ofLiteral(network).getAddress();
      byte[] other = InetAddress.ofLiteral(host).getAddress();
      int bits = Integer.parseInt(length);
      if (one.length != other.length || bits > one.length * 8) {
        return false;
      }
      for (int bit = 0; bit < bits; bit++) {
        int mask = 0x80 >> bit % 8;
        if ((one[bit / 8] & mask) != (other[bit / 8] & mask)) {
          return false;
        }
      }
      return true;
    } catch (IllegalArgumentException noAddress) {
      return false;
    }
  }

  /** A proxy's address as connections take it. */
  static Proxy asProxy(URI address) {
    return new Proxy(
        Proxy.Type.HTTP,
        InetSocketAddress.createUnresolved(
            address.getHost(), address.getPort() < 0 ? 80 : address.getPort()));
  }
}
