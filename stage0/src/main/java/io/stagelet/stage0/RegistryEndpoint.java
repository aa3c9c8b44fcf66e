package io.stagelet.stage0;

import java.net.URI;

/**
 * A place to get a repository's images from.
 *
 * @param name registry and repository as a reference there would have them; credentials are known
 *     by it
 * @param base scheme, host and port of the server, without a path
 * @param repository what the repository is called there
 * @param verified whether the server's certificate is checked
 * @param mirror whether it is one place of several, which is given little time
 */
public record RegistryEndpoint(
    String name, URI base, String repository, boolean verified, boolean mirror) {
  /** Where something of the repository is: {@code manifests/latest} and the like. */
  URI resolve(String what) {
    return base.resolve("/v2/" + repository + "/" + what);
  }

  /** {@code host[:port]}, as a reference has it. */
  String host() {
    return name.substring(0, name.indexOf('/'));
  }
}
