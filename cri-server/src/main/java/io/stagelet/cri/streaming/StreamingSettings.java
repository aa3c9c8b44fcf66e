package io.stagelet.cri.streaming;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Where streams are served, and how.
 *
 * @param address the address to listen on, which is in the URLs that kubelet gets
 * @param port 0 for any
 * @param tls absent for plain HTTP
 * @param idleTimeout after so long without a byte a session is closed
 * @param creationTimeout a client has so long to send its request, and then to open the streams
 *     that it asked for
 */
public record StreamingSettings(
    String address, int port, Optional<Tls> tls, Duration idleTimeout, Duration creationTimeout) {
  /**
   * Files in PEM; the key in PKCS #8, without a password.
   *
   * @param clientAuthority whoever connects must have a certificate of it; absent for anyone
   */
  public record Tls(Path certificate, Path key, Optional<Path> clientAuthority) {}

  /** What holds unless configured: loopback, any port, and kubelet's own timeouts. */
  public static StreamingSettings defaults() {
    return new StreamingSettings(
        "127.0.0.1", 0, Optional.empty(), Duration.ofHours(4), Duration.ofSeconds(30));
  }
}
