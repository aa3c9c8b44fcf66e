package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** HTTP_PROXY and its like. */
class ProxiesTest {
  private static final Map<String, String> ENVIRONMENT =
      Map.of(
          "HTTPS_PROXY", "http://user:pass@proxy.example:3128",
          "http_proxy", "plain.example:8080",
          "NO_PROXY", "internal.example, .dotted.example,10.0.0.0/8,port.example:5000");

  @ParameterizedTest
  @CsvSource({
    "https://quay.io/v2/, proxy.example",
    "http://quay.io/v2/, plain.example",
    "https://internal.example/, ",
    "https://a.internal.example/, ",
    "https://notinternal.example/, proxy.example",
    "https://a.dotted.example/, ",
    "https://10.1.2.3/, ",
    "https://11.1.2.3/, proxy.example",
    "https://port.example:5000/, ",
    "https://port.example:5001/, proxy.example",
    "http://127.0.0.1:5000/, ",
    "http://localhost:5000/, ",
    "http://[::1]:5000/, "
  })
  void eachAddressHasItsProxyOrNone(URI uri, String host) {
    assertThat(Proxies.of(ENVIRONMENT).proxy(uri).map(URI::getHost).orElse(null)).isEqualTo(host);
  }

  @Test
  void nameAndPasswordAreSentToTheProxyTheyAreFor() {
    Proxies proxies = Proxies.of(ENVIRONMENT);

    assertThat(proxies.authorization(URI.create("https://quay.io/")))
        .contains("Basic dXNlcjpwYXNz");
    assertThat(proxies.authorization(URI.create("http://quay.io/"))).isEmpty();
  }

  @Test
  void anythingElseThanAnAddressIsRefused() {
    assertThatThrownBy(() ->
            Proxies.of(Map.of("HTTPS_PROXY", "socks5://x:1")).proxy(URI.create("https://quay.io/")))
        .hasMessageContaining("HTTPS_PROXY");
  }
}
