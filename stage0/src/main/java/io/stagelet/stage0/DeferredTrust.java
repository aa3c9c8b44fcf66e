package io.stagelet.stage0;

import java.io.IOException;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Trusts whom another trusts, which is made when first asked: the authorities of a machine are some
 * 150 certificates and a megabyte of memory.
 */
final class DeferredTrust extends X509ExtendedTrustManager {
  /** Makes the one that decides. */
  @FunctionalInterface
  interface Source {
    X509ExtendedTrustManager make() throws GeneralSecurityException, IOException;
  }

  private final Source source;
  private @Nullable X509ExtendedTrustManager made; // guarded by this

  DeferredTrust(Source source) {
    this.source = source;
  }

  private synchronized X509ExtendedTrustManager made() throws CertificateException {
    X509ExtendedTrustManager known = made;
    if (known == null) {
      try {
        known = source.make();
      } catch (GeneralSecurityException | IOException failure) {
        throw new CertificateException(
            "the authorities that this machine trusts cannot be read: " + failure.getMessage(),
            failure);
      }
      made = known;
    }
    return known;
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
    made().checkClientTrusted(chain, type);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
    made().checkServerTrusted(chain, type);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    made().checkClientTrusted(chain, type, socket);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    made().checkServerTrusted(chain, type, socket);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    made().checkClientTrusted(chain, type, engine);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    made().checkServerTrusted(chain, type, engine);
  }

  /** None: only servers are told of accepted issuers, and this is for clients. */
  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[0];
  }
}
