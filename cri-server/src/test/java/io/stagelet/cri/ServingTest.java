package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ServingTest {
  @Test
  void aServiceNeedsNoParser() {
    assertThat(plain("serve")).contains(Path.of("/etc/stagelet/stagelet.toml"));
    assertThat(plain("serve", "--config", "/tmp/a.toml")).contains(Path.of("/tmp/a.toml"));
  }

  @Test
  void helpAndMistakesAreForTheParser() {
    assertThat(plain()).isEmpty();
    assertThat(plain("--help")).isEmpty();
    assertThat(plain("serve", "--help")).isEmpty();
    assertThat(plain("serve", "--config")).isEmpty();
    assertThat(plain("serve", "--config", "--help")).isEmpty();
    assertThat(plain("serve", "--config=/tmp/a.toml")).isEmpty();
    assertThat(plain("serve", "--config", "/tmp/a.toml", "more")).isEmpty();
    assertThat(plain("status")).isEmpty();
  }

  private static java.util.Optional<Path> plain(String... arguments) {
    return Serving.plain(arguments);
  }
}
