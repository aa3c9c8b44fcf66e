package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.journal.StoryEvent;
import io.stagelet.stage0.ImageEvent;
import io.stagelet.stage1.nspawn.NspawnEvent;
import io.stagelet.stage1.oci.OciEvent;
import io.stagelet.units.UnitsEvent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
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
  private static final Path CATALOG = Path.of("../journal/src/main/catalog/stagelet.catalog");
  private static final Pattern ENTRY =
      Pattern.compile("(?ms)^-- ([0-9a-f]{32})\\n(.*?)\\n\\n(.*?)(?=^-- |\\z)");

  /** systemd's own, of messages that are looked for. */
  private static final Set<String> FOREIGN = Set.of("fe6faa94e7774663a0da52717891d8ef");

  private record Explanation(String header, String text) {}

  @Test
  void explainsEachEventAndNothingElse() throws IOException {
    assertThat(explanations().keySet()).containsExactlyInAnyOrderElementsOf(events().keySet());
  }

  /** Whoever adds a list of events to a room adds it to {@link #events} as well. */
  @Test
  void knowsEachIdInTheSources() throws IOException {
    Pattern id = Pattern.compile("\"([0-9a-f]{32})\"");
    try (Stream<Path> files = Files.walk(Path.of(".."))) {
      List<String> ids =
          files
              .filter(file -> file.toString().matches("\\.\\./[^/]+/src/main/java/.*\\.java"))
              .map(MessageCatalogTest::text)
              .flatMap(text -> id.matcher(text).results())
              .map(match -> match.group(1))
              .filter(found -> !FOREIGN.contains(found))
              .toList();
      assertThat(ids).containsExactlyInAnyOrderElementsOf(events().keySet());
    }
  }

  @Test
  void nothingIsSaidWithoutAnIdFromTheLevelInfoOn() throws IOException {
    Pattern without = Pattern.compile("LOG\\s*\\.\\s*(info|warn|error|atInfo|atWarn|atError)\\b.*");
    try (Stream<Path> files = Files.walk(Path.of(".."))) {
      assertThat(
              files
                  .filter(file -> file.toString().matches("\\.\\./[^/]+/src/main/java/.*\\.java"))
                  .flatMap(file ->
                      without
                          .matcher(text(file))
                          .results()
                          .map(match -> file.getFileName() + ": " + match.group())))
          .isEmpty();
    }
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
        events().entrySet().stream()
            .filter(event -> event.getValue().toInt() >= Level.WARN.toInt())
            .map(Map.Entry::getKey)
            .collect(Collectors.toSet());
    // nothing can be done about messages that are gone
    grave.remove(StoryEvent.MESSAGES_DROPPED.id());
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

  /** What all rooms can say: how grave each event is, by its id. */
  private static Map<String, Level> events() {
    Map<String, Level> all = new HashMap<>();
    Stream.of(StoryEvent.values()).forEach(event -> all.put(event.id(), event.level()));
    all.putAll(ImageEvent.byId());
    all.putAll(UnitsEvent.byId());
    all.putAll(OciEvent.byId());
    all.putAll(NspawnEvent.byId());
    return all;
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
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
