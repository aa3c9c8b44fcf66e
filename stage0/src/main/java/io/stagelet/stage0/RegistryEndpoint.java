package io.stagelet.stage0;

import java.net.URI;

/**
 * A place to get a repository's images from.
 *
 * @param base scheme, host and port of the server, without a path
 * @param repository what the repository is called there
 * @param verified whether the server's certificate is checked
 */
public record RegistryEndpoint(URI base, String repository, boolean verified) {
  /** Where something of the repository is: {@code manifests/latest} and the like. */
  URI resolve(String what) {
    return base.resolve("/v2/" + repository + "/" + what);
  }
}
