package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.OutputPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.event.Level;

/** What the configuration says about output and messages. */
class ConfigurationOfOutputTest {
  @TempDir private Path directory;

  private Configuration read(String text) throws IOException {
    return ConfigurationReader.read(Files.writeString(directory.resolve("stagelet.toml"), text));
  }

  @Test
  void withoutAWordNothingIsDroppedAndTheSystemsJournalIsUsed() throws IOException {
    Configuration configuration = read("");
    assertThat(configuration.output().labels()).isEmpty();
    assertThat(configuration.output().journalNamespace()).isEmpty();
    assertThat(configuration.handlers().values())
        .allMatch(handler -> handler.output() == OutputPolicy.BLOCK);
    assertThat(configuration.log().usual()).isEqualTo(Level.INFO);
  }

  @Test
  void takesLabelsANamespaceAPolicyAndLevels() throws IOException {
    Configuration configuration =
        read(
            """
            [output]
            labels = ["app", "tier"]
            journal-namespace = "pods"
            [log]
            level = "warn"
            levels = { "io.stagelet.units" = "debug" }
            [handlers.crun]
            stage1 = "oci"
            output = "drop"
            """);
    assertThat(configuration.output().labels()).containsExactly("app", "tier");
    assertThat(configuration.output().journalNamespace()).contains(new JournalNamespace("pods"));
    assertThat(configuration.log().usual()).isEqualTo(Level.WARN);
    assertThat(configuration.log().byName()).containsEntry("io.stagelet.units", Level.DEBUG);
    assertThat(configuration.handlers().get("crun"))
        .isNotNull()
        .satisfies(handler -> {
          assertThat(handler.output()).isEqualTo(OutputPolicy.DROP);
          assertThat(handler.options()).doesNotContainKey("output");
        });
  }

  @Test
  void listsEachMistake() {
    assertThatThrownBy(() ->
            read(
                """
                [output]
                journal-namespace = "a b"
                [log]
                level = "loud"
                [handlers.crun]
                stage1 = "oci"
                output = "sometimes"
                """))
        .hasMessageContaining("output.journal-namespace")
        .hasMessageContaining("log.level")
        .hasMessageContaining("handlers.crun.output");
  }

  @Test
  void aLabelsFieldHasANameThatTheJournalTakes() {
    assertThat(OutputFields.fieldName("app")).isEqualTo("K8S_LABEL_APP");
    assertThat(OutputFields.fieldName("app.kubernetes.io/name"))
        .isEqualTo("K8S_LABEL_APP_KUBERNETES_IO_NAME");
    assertThat(OutputFields.fieldName("x".repeat(100))).hasSize(64);
  }
}
