package io.stagelet.cri.configuration;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The documents have the table as it is. */
class ConfigurationDocumentTest {
  /** To mend it: {@code stagelet config default --as markdown}. */
  @Test
  void configureMdHasTheTableOfKeys() throws IOException {
    assertThat(Files.readString(Path.of("../docs/configure.md")))
        .contains(ConfigurationText.markdown());
  }

  @Test
  void theManualPageHasEveryKey() {
    for (ConfigurationKey key : ConfigurationKeys.all()) {
      assertThat(ConfigurationText.manual())
          .contains(".B " + key.bareName().replace("-", "\\-") + "\n");
    }
  }
}
