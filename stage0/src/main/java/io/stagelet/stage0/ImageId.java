package io.stagelet.stage0;

/**
 * Which image: the digest of its configuration.
 *
 * @param config the digest of the configuration blob
 */
public record ImageId(Digest config) {
  /** {@code sha256:...}, as the CRI has it. */
  @Override
  public String toString() {
    return config.toString();
  }
}
