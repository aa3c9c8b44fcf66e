package io.stagelet.stage0;

import java.net.URI;
import java.util.List;
import java.util.Set;

/** Knows where an image can be got: the registry itself, its mirrors. */
@FunctionalInterface
public interface RegistryEndpoints {
  /** The places to try for {@code reference}, in this order; at least one. */
  List<RegistryEndpoint> of(ImageReference reference);

  /**
   * The registry that the reference names, over HTTPS; over plain HTTP where it is this machine
   * itself, as Docker does; and for {@code insecureHosts} over HTTPS with any certificate, or else
   * plain HTTP.
   */
  static RegistryEndpoints named(Set<String> insecureHosts) {
    Set<String> insecure = Set.copyOf(insecureHosts);
    return reference -> {
      String authority =
          reference.domain().equals("docker.io") ? "registry-1.docker.io" : reference.domain();
      String host = host(authority);
      URI secure = URI.create("https://" + authority);
      URI plain = URI.create("http://" + authority);
      String path = reference.path();
      if (isThisMachine(host)) {
        return List.of(new RegistryEndpoint(plain, path, true));
      }
      if (insecure.contains(authority) || insecure.contains(host)) {
        return List.of(
            new RegistryEndpoint(secure, path, false), new RegistryEndpoint(plain, path, true));
      }
      return List.of(new RegistryEndpoint(secure, path, true));
    };
  }

  private static String host(String authority) {
    return authority.replaceFirst(":[0-9]+$", "");
  }

  private static boolean isThisMachine(String host) {
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127\\.[0-9]+\\.[0-9]+\\.[0-9]+");
  }
}
