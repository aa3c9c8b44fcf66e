package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Clock;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A registry with a certificate of its own making, which wants to know who its clients are. */
@Timeout(60)
class TlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();
  private static final byte[] MANIFEST =
      "{\"config\":{},\"layers\":[]}".getBytes(StandardCharsets.UTF_8);

  @TempDir Path directory;
  private HttpsServer server;
  private String host;
  private KeyStore serverKeys;
  private KeyStore clientKeys;
  private volatile boolean clientWanted;

  @BeforeEach
  void start() throws Exception {
    serverKeys = keys("server");
    clientKeys = keys("client");
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(serverKeys, PASSWORD);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, PASSWORD);
    trusted.setCertificateEntry("client", clientKeys.getCertificate("client"));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(
        new HttpsConfigurator(context) {
          @Override
          public void configure(HttpsParameters parameters) {
            SSLParameters wanted = context.getDefaultSSLParameters();
            wanted.setNeedClientAuth(clientWanted);
            parameters.setSSLParameters(wanted);
          }
        });
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            exchange.sendResponseHeaders(200, MANIFEST.length);
            exchange.getResponseBody().write(MANIFEST);
          }
        });
    server.start();
    host = "127.0.0.1:" + server.getAddress().getPort();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private KeyStore keys(String name) throws Exception {
    Path file = directory.resolve(name + ".p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                name,
                "-keyalg",
                "EC",
                "-dname",
                "CN=" + name,
                "-ext",
                "SAN=ip:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-keystore",
                file.toString(),
                "-storepass",
                new String(PASSWORD))
            .inheritIO()
            .start();
    assertThat(keytool.waitFor()).isZero();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream stream = Files.newInputStream(file)) {
      keys.load(stream, PASSWORD);
    }
    return keys;
  }

  private static String pem(String kind, byte[] content) {
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
        .formatted(kind, Base64.getMimeEncoder().encodeToString(content), kind);
  }

  private Path certificates() throws IOException {
    return Files.createDirectories(directory.resolve("certs.d").resolve(host));
  }

  private void trustTheServer() throws Exception {
    Certificate certificate = serverKeys.getCertificate("server");
    Files.writeString(
        certificates().resolve("ca.crt"), pem("CERTIFICATE", certificate.getEncoded()));
  }

  private byte[] pull(Set<String> insecure) throws InterruptedException {
    return pull(host, insecure, Map.of());
  }

  private byte[] pull(String from, Set<String> insecure, Map<String, String> environment)
      throws InterruptedException {
    RegistryFiles files =
        new RegistryFiles(
            directory.resolve("registries.conf"),
            directory.resolve("registries.conf.d"),
            List.of(directory.resolve("certs.d")),
            List.of(),
            directory.resolve("policy.json"),
            directory.resolve("registries.d"));
    RegistrySettings settings =
        new RegistrySettings(
            Duration.ofSeconds(5),
            Duration.ofSeconds(5),
            1,
            Duration.ofMillis(5),
            1,
            Duration.ofSeconds(5),
            3,
            32 << 10);
    return new RegistryClient(
            settings, Registries.of(files, insecure, environment), Clock.systemUTC())
        .find(ImageReference.parse(from + "/a:1"), Credentials.none())
        .manifest()
        .bytes();
  }

  @Test
  void aCertificateThatNobodyVouchesForIsRefused() throws Exception {
    Files.createFile(certificates().resolve("note.txt"));

    assertThatThrownBy(() -> pull(Set.of()))
        .hasMessageContaining("RegistryUnavailable")
        .satisfies(
            e -> assertThat(((StageletException) e).code()).isEqualTo(ErrorCode.UNAVAILABLE));
  }

  @Test
  void theRegistrysOwnAuthorityIsTrusted() throws Exception {
    trustTheServer();
    assertThat(pull(Set.of())).isEqualTo(MANIFEST);
  }

  @Test
  void anInsecureRegistryMayHaveAnyCertificate() throws Exception {
    assertThat(pull(Set.of(host))).isEqualTo(MANIFEST);
  }

  @Test
  void theClientSaysWhoItIs() throws Exception {
    clientWanted = true;
    trustTheServer();
    assertThatThrownBy(() -> pull(Set.of())).hasMessageContaining("RegistryUnavailable");

    Key key = clientKeys.getKey("client", PASSWORD);
    Files.writeString(certificates().resolve("me.key"), pem("PRIVATE KEY", key.getEncoded()));
    Files.writeString(
        certificates().resolve("me.cert"),
        pem("CERTIFICATE", clientKeys.getCertificate("client").getEncoded()));
    assertThat(pull(Set.of())).isEqualTo(MANIFEST);
  }

  @Test
  void aCertificateWithoutItsKeyIsSaid() throws Exception {
    trustTheServer();
    Files.writeString(
        certificates().resolve("me.cert"),
        pem("CERTIFICATE", clientKeys.getCertificate("client").getEncoded()));

    assertThatThrownBy(() -> pull(Set.of())).hasMessageContaining("has no key");
  }

  /** Leads to the server whatever it is asked for, but only whoever says the password. */
  private void lead(ServerSocket proxy, List<String> asked) {
    while (true) {
      try {
        Socket client = proxy.accept();
        Thread _ = Thread.ofVirtual().start(() -> lead(client, asked));
      } catch (IOException closed) {
        return;
      }
    }
  }

  private void lead(Socket client, List<String> asked) {
    try (client) {
      StringBuilder head = new StringBuilder();
      while (head.indexOf("\r\n\r\n") < 0) {
        int next = client.getInputStream().read();
        if (next < 0) {
          return;
        }
        head.append((char) next);
      }
      boolean known =
          head.toString()
              .toLowerCase(Locale.ROOT)
              .contains("proxy-authorization: basic bmftztpzzwnyzxq=");
      asked.add(head.substring(0, head.indexOf("\r\n")) + (known ? " known" : ""));
      client
          .getOutputStream()
          .write(
              (known
                      ? "HTTP/1.1 200 OK\r\n\r\n"
                      : "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                  .getBytes(StandardCharsets.US_ASCII));
      if (known) {
        try (Socket to =
            new Socket(InetAddress.getLoopbackAddress(), server.getAddress().getPort())) {
          Thread back =
              Thread.ofVirtual()
                  .start(() -> {
                    try {
                      long _ = to.getInputStream().transferTo(client.getOutputStream());
                    } catch (IOException ended) {
                      // as the other way
                    }
                  });
          long _ = client.getInputStream().transferTo(to.getOutputStream());
          back.interrupt();
        }
      }
    } catch (IOException ended) {
      // the client has what it wanted
    }
  }

  @Test
  void aProxyLeadsToTheRegistryWhenItIsToldWhoAsks() throws Exception {
    try (ServerSocket proxy = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
      List<String> asked = new CopyOnWriteArrayList<>();
      Thread _ = Thread.ofVirtual().start(() -> lead(proxy, asked));
      String address = "@127.0.0.1:" + proxy.getLocalPort();

      assertThat(
              pull(
                  "registry.invalid",
                  Set.of("registry.invalid"),
                  Map.of("HTTPS_PROXY", "http://name:secret" + address)))
          .isEqualTo(MANIFEST);
      assertThat(asked).last().isEqualTo("CONNECT registry.invalid:443 HTTP/1.1 known");

      assertThatThrownBy(() ->
              pull(
                  "other.invalid",
                  Set.of("other.invalid"),
                  Map.of("HTTPS_PROXY", "http://name:wrong" + address)))
          .hasMessageContaining("407");
    }
  }
}
