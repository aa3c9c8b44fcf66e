package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Certificates of registries ({@code containers-certs.d(5)}): in a directory named {@code
 * host[:port]}, {@code *.crt} are authorities to trust beside the machine's own, {@code *.cert}
 * with a {@code *.key} prove who this client is.
 */
final class CertificateDirectories {
  /** Where Linux distributions keep the authorities that the whole machine trusts. */
  private static final List<Path> BUNDLES =
      List.of(
          Path.of("/etc/ssl/certs/ca-certificates.crt"),
          Path.of("/etc/pki/tls/certs/ca-bundle.crt"),
          Path.of("/etc/ssl/ca-bundle.pem"),
          Path.of("/etc/ssl/cert.pem"));

  private static final char[] NO_PASSWORD = {};

  private final List<Path> directories;

  CertificateDirectories(List<Path> directories) {
    this.directories = List.copyOf(directories);
  }

  /** Whether there is a directory for this {@code host[:port]}. */
  boolean has(String host) {
    return directories.stream().anyMatch(directory -> Files.isDirectory(directory.resolve(host)));
  }

  /** Differs when a file for this host has come, gone or changed; empty where there are none. */
  String state(String host) {
    StringBuilder state = new StringBuilder();
    for (Path file : files(host)) {
      try {
        state.append(file).append(' ').append(Files.getLastModifiedTime(file)).append('\n');
      } catch (IOException gone) {
        state.append(file).append(" gone\n");
      }
    }
    return state.toString();
  }

  /**
   * How to speak TLS with this host.
   *
   * @param verified whether its certificate must be good
   */
  SSLContext context(String host, boolean verified) {
    List<Path> files = files(host);
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(
          clientKeys(files),
          new TrustManager[] {verified ? trust(files) : new TrustsAnybody()},
          new SecureRandom());
      return context;
    } catch (GeneralSecurityException | IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "the certificates for %s (%s) cannot be used: %s"
              .formatted(host, files, StageletException.reason(failure)),
          failure);
    }
  }

  private List<Path> files(String host) {
    for (Path directory : directories) {
      Path own = directory.resolve(host);
      if (Files.isDirectory(own)) {
        try (Stream<Path> files = Files.list(own)) {
          return files.sorted().toList();
        } catch (IOException failure) {
          throw new StageletException(
              ErrorCode.FAILED_PRECONDITION,
              "could not list %s: %s".formatted(own, StageletException.reason(failure)),
              failure);
        }
      }
    }
    return List.of();
  }

  /** Read when a server first shows its certificate: a registry without TLS never needs them. */
  private static X509ExtendedTrustManager trust(List<Path> files)
      throws GeneralSecurityException, IOException {
    List<Path> own = files.stream().filter(file -> file.toString().endsWith(".crt")).toList();
    if (own.isEmpty()) {
      return new DeferredTrust(() -> authorities(List.of()));
    }
    return authorities(own);
  }

  /**
   * The machine's own authorities, or Java's where it has none, and those of {@code more} files.
   */
  private static X509ExtendedTrustManager authorities(List<Path> more)
      throws GeneralSecurityException, IOException {
    KeyStore authorities = emptyStore();
    List<Path> files =
        new ArrayList<>(BUNDLES.stream().filter(Files::isReadable).limit(1).toList());
    if (files.isEmpty()) {
      for (X509Certificate known : trustManager(null).getAcceptedIssuers()) {
        authorities.setCertificateEntry("java" + authorities.size(), known);
      }
    }
    files.addAll(more);
    for (Path file : files) {
      for (Certificate certificate : certificates(file)) {
        authorities.setCertificateEntry(file + "#" + authorities.size(), certificate);
      }
    }
    return trustManager(authorities);
  }

  private static X509ExtendedTrustManager trustManager(
      @org.jspecify.annotations.Nullable KeyStore authorities) throws GeneralSecurityException {
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(authorities);
    return Arrays.stream(factory.getTrustManagers())
        .filter(X509ExtendedTrustManager.class::isInstance)
        .map(X509ExtendedTrustManager.class::cast)
        .findFirst()
        .orElseThrow();
  }

  private static KeyManager[] clientKeys(List<Path> files)
      throws GeneralSecurityException, IOException {
    KeyStore keys = emptyStore();
    for (Path file : files) {
      String name = file.toString();
      if (!name.endsWith(".cert")) {
        continue;
      }
      Path key = Path.of(name.substring(0, name.length() - ".cert".length()) + ".key");
      if (!Files.exists(key)) {
        throw new IOException("client certificate %s has no key %s".formatted(file, key));
      }
      PrivateKey privateKey = PemKeys.privateKey(Files.readString(key));
      keys.setKeyEntry(
          name, privateKey, NO_PASSWORD, certificates(file).toArray(Certificate[]::new));
    }
    KeyManagerFactory factory =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    factory.init(keys, NO_PASSWORD);
    return factory.getKeyManagers();
  }

  private static Collection<? extends Certificate> certificates(Path file)
      throws GeneralSecurityException, IOException {
    // the JDK reads such a stream byte by byte, and a bundle has 200,000
    return CertificateFactory.getInstance("X.509")
        .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(file)));
  }

  private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, NO_PASSWORD);
    return store;
  }

  /**
   * For registries that the administrator called insecure. Extended, so that the JDK does not check
   * the host's name either.
   */
  private static final class TrustsAnybody extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {}

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
