package io.stagelet.stage0;

import java.net.URI;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Knows where an image can be got: the registry itself, its mirrors. */
@FunctionalInterface
public interface RegistryEndpoints {
  /** The places to try for {@code reference}, in this order; at least one. */
  List<RegistryEndpoint> of(ImageReference reference);

  /** What a person means by {@code text}, the likeliest first; at least one. */
  default List<ImageReference> candidates(String text) {
    return List.of(ImageReference.parse(text));
  }

  /**
   * The registry that the reference names, over HTTPS; over plain HTTP where it is this machine
   * itself, as Docker does; and for {@code insecureHosts} over HTTPS with any certificate, or else
   * plain HTTP.
   */
  static RegistryEndpoints named(Set<String> insecureHosts) {
    Set<String> insecure = Set.copyOf(insecureHosts);
    return reference ->
        at(reference.name(), isIn(insecure, reference.domain()), false, host -> false);
  }

  /** Whether {@code authority}, or its host alone, is one of {@code hosts}. */
  static boolean isIn(Set<String> hosts, String authority) {
    return hosts.contains(authority) || hosts.contains(withoutPort(authority));
  }

  /**
   * The endpoints of one place.
   *
   * @param name registry and repository
   * @param hasCertificates which {@code host[:port]} is known to speak HTTPS, even if it is this
   *     machine
   */
  static List<RegistryEndpoint> at(
      String name, boolean insecure, boolean mirror, Predicate<String> hasCertificates) {
    int slash = name.indexOf('/');
    String domain = name.substring(0, slash);
    String path = name.substring(slash + 1);
    String authority = domain.equals("docker.io") ? "registry-1.docker.io" : domain;
    URI secure = URI.create("https://" + authority);
    URI plain = URI.create("http://" + authority);
    if (insecure) {
      return List.of(
          new RegistryEndpoint(name, secure, path, false, true),
          new RegistryEndpoint(name, plain, path, true, mirror));
    }
    if (isThisMachine(withoutPort(authority)) && !hasCertificates.test(domain)) {
      return List.of(new RegistryEndpoint(name, plain, path, true, mirror));
    }
    return List.of(new RegistryEndpoint(name, secure, path, true, mirror));
  }

  private static String withoutPort(String authority) {
    return authority.replaceFirst(":[0-9]+$", "");
  }

  private static boolean isThisMachine(String host) {
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127\\.[0-9]+\\.[0-9]+\\.[0-9]+");
  }
}
