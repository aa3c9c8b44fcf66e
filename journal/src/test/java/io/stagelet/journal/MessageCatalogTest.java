package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.slf4j.event.Level;

/** The catalog that {@code journalctl -x} prints from, and what the code can say. */
class MessageCatalogTest {
  private static final Path CATALOG = Path.of("src/main/catalog/stagelet.catalog");
  private static final Pattern ENTRY =
      Pattern.compile("(?ms)^-- ([0-9a-f]{32})\\n(.*?)\\n\\n(.*?)(?=^-- |\\z)");

  private record Explanation(String header, String text) {}

  @Test
  void explainsEachEventAndNothingElse() throws IOException {
    assertThat(explanations().keySet())
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(StoryEvent.values()).map(StoryEvent::id).toList());
  }

  @Test
  void givesEachEventASubjectAndWords() throws IOException {
    assertThat(explanations().values())
        .allSatisfy(explanation -> {
          assertThat(explanation.header()).contains("Subject: ", "Defined-By: Stagelet");
          assertThat(explanation.text()).isNotBlank();
        });
  }

  @Test
  void saysWhatToDoAboutWarningsAndErrors() throws IOException {
    Set<String> grave =
        Stream.of(StoryEvent.values())
            .filter(event -> event.level().toInt() >= Level.WARN.toInt())
            // nothing can be done about messages that are gone
            .filter(event -> event != StoryEvent.MESSAGES_DROPPED)
            .map(StoryEvent::id)
            .collect(Collectors.toSet());
    Map<String, Explanation> explanations = explanations();
    explanations.keySet().retainAll(grave);
    assertThat(explanations.values())
        .isNotEmpty()
        .allSatisfy(explanation -> assertThat(explanation.text()).contains("What to do:"));
  }

  /**
   * journalctl fills in a field only where its name is of A to Z and underscores, without digits.
   */
  @Test
  void namesOnlyFieldsThatJournalctlFillsIn() throws IOException {
    Matcher field = Pattern.compile("@(\\w+)@").matcher(Files.readString(CATALOG));
    assertThat(field.results().map(match -> match.group(1)).toList())
        .isNotEmpty()
        .allMatch(name -> name.matches("[A-Z_]+"));
  }

  private static Map<String, Explanation> explanations() throws IOException {
    return ENTRY
        .matcher(Files.readString(CATALOG))
        .results()
        .collect(
            Collectors.toMap(
                match -> match.group(1), match -> new Explanation(match.group(2), match.group(3))));
  }
}
