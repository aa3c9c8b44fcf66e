package io.stagelet.cri.conformance;

import java.util.List;

/**
 * An image as it stands in the registry.
 *
 * @param repository host, port and name
 * @param manifest the digest of its manifest
 * @param config the digest of its configuration
 * @param layers the digests of its compressed layers, the lowest first
 */
record PushedImage(
    String repository, String tag, String manifest, String config, List<String> layers) {
  PushedImage {
    layers = List.copyOf(layers);
  }

  /** Its name as most people write it. */
  String byTag() {
    return repository + ":" + tag;
  }

  /** Its name with the manifest's digest: what CRI calls a repo digest. */
  String byDigest() {
    return repository + "@" + manifest;
  }
}
