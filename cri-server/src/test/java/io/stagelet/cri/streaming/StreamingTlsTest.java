package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Streams over TLS, with certificates made for the test. */
@Timeout(60)
final class StreamingTlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();
  private static final CommandClient.Wish OUTPUT =
      new CommandClient.Wish(false, true, false, false);

  @TempDir private static Path directory;
  private static final Identity server = new Identity("server");
  private static final Identity client = new Identity("client");
  private static final Identity stranger = new Identity("stranger");

  /** A key and its own certificate, as files. */
  private record Identity(String name) {
    Path certificate() {
      return directory.resolve(name + ".crt");
    }

    Path key() {
      return directory.resolve(name + ".key");
    }

    void make() throws Exception {
      Path store = directory.resolve(name + ".p12");
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
                  store.toString(),
                  "-storepass",
                  new String(PASSWORD))
              .inheritIO()
              .start();
      assertThat(keytool.waitFor()).isZero();
      KeyStore keys = KeyStore.getInstance("PKCS12");
      try (InputStream stream = Files.newInputStream(store)) {
        keys.load(stream, PASSWORD);
      }
      X509Certificate made = (X509Certificate) keys.getCertificate(name);
      Files.writeString(certificate(), pem("CERTIFICATE", made.getEncoded()));
      PrivateKey key = (PrivateKey) keys.getKey(name, PASSWORD);
      Files.writeString(key(), pem("PRIVATE KEY", key.getEncoded()));
    }

    private static String pem(String kind, byte[] content) {
      return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
          .formatted(kind, Base64.getMimeEncoder().encodeToString(content), kind);
    }
  }

  @BeforeAll
  static void make() throws Exception {
    server.make();
    client.make();
    stranger.make();
  }

  private static LocalStreams serving(Identity identity, Optional<Path> clients) {
    StreamingSettings defaults = StreamingSettings.defaults();
    return new LocalStreams(
        new StreamingSettings(
            defaults.address(),
            defaults.port(),
            Optional.of(new StreamingSettings.Tls(identity.certificate(), identity.key(), clients)),
            defaults.idleTimeout(),
            defaults.creationTimeout()));
  }

  private static SslContext trusting(Identity trusted, Optional<Identity> own) throws IOException {
    SslContextBuilder builder =
        SslContextBuilder.forClient().trustManager(trusted.certificate().toFile());
    own.ifPresent(
        identity -> builder.keyManager(identity.certificate().toFile(), identity.key().toFile()));
    return builder.build();
  }

  private static String output(URI url, SslContext tls) {
    try (SpdyClient connected = new SpdyClient(url, "v4.channel.k8s.io", false, Optional.of(tls))) {
      SpdyClient.Stream error = connected.open(Map.of("streamtype", "error"));
      SpdyClient.Stream output = connected.open(Map.of("streamtype", "stdout"));
      assertThat(SpdyClient.get(error.all())).isNotEmpty();
      return new String(SpdyClient.get(output.all()), StandardCharsets.UTF_8);
    }
  }

  @Test
  void aSessionGoesThroughTls() throws IOException {
    try (LocalStreams streams = serving(server, Optional.empty())) {
      URI url = URI.create(streams.url("head -c 3000000 /dev/zero; echo end", OUTPUT));
      assertThat(url.getScheme()).isEqualTo("https");
      assertThat(output(url, trusting(server, Optional.empty()))).hasSize(3_000_004);
    }
  }

  @Test
  void whoSpeaksInClearGetsNothing() throws IOException {
    try (LocalStreams streams = serving(server, Optional.empty())) {
      URI url = URI.create(streams.url("true", OUTPUT));
      try (Socket clear = new Socket(url.getHost(), url.getPort())) {
        clear.setSoTimeout((int) Duration.ofSeconds(30).toMillis());
        clear
            .getOutputStream()
            .write(
                "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
                    .formatted(url.getPath())
                    .getBytes(StandardCharsets.UTF_8));
        assertThat(new String(clear.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1))
            .doesNotContain("HTTP/");
      }
    }
  }

  @Test
  void whereClientsMustShowACertificateStrangersAreTurnedAway() throws IOException {
    try (LocalStreams streams = serving(server, Optional.of(client.certificate()))) {
      URI url = URI.create(streams.url("echo known", OUTPUT));
      assertThatThrownBy(() -> output(url, trusting(server, Optional.empty()))).isNotNull();
      assertThatThrownBy(() -> output(url, trusting(server, Optional.of(stranger)))).isNotNull();
      assertThat(output(url, trusting(server, Optional.of(client))))
          .as("the token was not used up by the others")
          .isEqualTo("known\n");
    }
  }

  @Test
  void aKeyThatCannotBeReadIsNamed() {
    assertThatThrownBy(() -> serving(new Identity("nobody"), Optional.empty()))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("nobody.key");
  }
}
