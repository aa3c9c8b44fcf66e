package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.stagelet.cri.configuration.ConfigurationFiles;
import io.stagelet.cri.measure.Metric;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** What the documents say is there. */
class DocumentsTest {
  private static final Path PROJECT = Path.of("..");
  private static final Pattern METRIC =
      Pattern.compile("\\b(stagelet_[a-z_]+?)(?:_bucket|_sum|_count)?\\b(?![a-z_])");
  private static final Pattern COMMAND =
      Pattern.compile(
          "(?m)(?:^ {4}|`|=\\s|Start it: |\\()stagelet ([a-z][a-z-]*)((?: +[^\\s`|#]+)*)");

  /** Lines that are set in, and empty ones between them. */
  private static final Pattern BLOCK = Pattern.compile("(?m)(?:^ {4}.*\\R|^\\R(?= {4}))+");

  private static final Pattern TABLE_OF_OURS =
      Pattern.compile(
          "(?m)^\\[(?:cni|images|registries|streaming|handlers\\.[a-z]+|output|metrics|traces|log)\\]$");

  private static List<Path> documents() throws IOException {
    try (Stream<Path> docs = Files.list(PROJECT.resolve("docs"))) {
      return Stream.concat(
              Stream.of(PROJECT.resolve("README.md")),
              docs.filter(file -> file.toString().endsWith(".md")))
          .sorted()
          .toList();
    }
  }

  private static Set<String> metricsIn(String text) {
    return METRIC
        .matcher(text)
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static List<String> names() {
    return Arrays.stream(Metric.values()).map(Metric::metricName).toList();
  }

  @Test
  void theDashboardAsksForMetricsThatExist() throws IOException {
    JsonNode dashboard =
        new ObjectMapper()
            .readTree(Files.readString(PROJECT.resolve("docs/observe/grafana-dashboard.json")));
    Set<String> asked = new TreeSet<>();
    dashboard
        .path("panels")
        .forEach(panel ->
            panel
                .path("targets")
                .forEach(target -> asked.addAll(metricsIn(target.path("expr").asText()))));

    assertThat(asked).hasSizeGreaterThan(10);
    assertThat(names()).containsAll(asked);
  }

  @Test
  void theAlertRulesAskForMetricsThatExist() throws IOException {
    JsonNode rules =
        new YAMLMapper().readTree(Files.readString(PROJECT.resolve("docs/observe/alerts.yml")));
    List<String> asked = new ArrayList<>();
    rules
        .at("/groups/0/rules")
        .forEach(rule -> {
          assertThat(rule.path("annotations").path("summary").asText()).isNotEmpty();
          asked.addAll(metricsIn(rule.path("expr").asText()));
        });

    assertThat(asked).hasSizeGreaterThan(5);
    assertThat(names()).containsAll(asked);
  }

  @Test
  void metricsMdNamesEveryMetricWithItsLabels() throws IOException {
    String text = Files.readString(PROJECT.resolve("docs/metrics.md"));
    for (Metric metric : Metric.values()) {
      assertThat(text)
          .contains(
              "| `%s` | %s | %s | %s |"
                  .formatted(
                      metric.metricName(),
                      metric.kind(),
                      metric.labels().stream()
                          .map("`%s`"::formatted)
                          .collect(Collectors.joining(", ")),
                      metric.help()));
    }
  }

  @Test
  void everyCommandInTheDocumentsExistsWithItsOptions() throws IOException {
    CommandLine whole = Main.line("");
    int seen = 0;
    for (Path document : documents()) {
      for (MatchResult match : COMMAND.matcher(Files.readString(document)).results().toList()) {
        CommandLine command = whole.getSubcommands().get(match.group(1));
        assertThat(command).as("%s: stagelet %s", document, match.group(1)).isNotNull();
        for (String word : match.group(2).trim().split(" +")) {
          if (command.getSubcommands().containsKey(word)) {
            command = command.getSubcommands().get(word);
          } else if (word.startsWith("-")) {
            assertThat(command.getCommandSpec().findOption(word.replaceFirst("=.*", "")))
                .as("%s: stagelet %s has no %s", document, match.group(1), word)
                .isNotNull();
          }
        }
        seen++;
      }
    }
    assertThat(seen).isGreaterThan(15);
  }

  @Test
  void everyConfigurationInTheDocumentsIsWithoutMistakes(@TempDir Path folder) throws IOException {
    int seen = 0;
    for (Path document : documents()) {
      for (MatchResult block : BLOCK.matcher(Files.readString(document)).results().toList()) {
        String text =
            block
                .group()
                .lines()
                .map(String::strip)
                .filter(line -> !line.startsWith("systemctl "))
                .collect(Collectors.joining("\n"))
                .replace("\"…\"", "\"/some/path\"");
        if (TABLE_OF_OURS.matcher(text).find()) {
          Path file = Files.writeString(folder.resolve(seen + ".toml"), text);
          assertThat(ConfigurationReader.mistakes(ConfigurationFiles.read(file)))
              .as("%s:%n%s", document, text)
              .isEmpty();
          seen++;
        }
      }
    }
    assertThat(seen).isGreaterThan(7);
  }

  @Test
  void everyLinkBetweenDocumentsLeadsSomewhere() throws IOException {
    Pattern link = Pattern.compile("\\]\\(([^)#:]+)(?:#[^)]*)?\\)");
    for (Path document : documents()) {
      for (MatchResult match : link.matcher(Files.readString(document)).results().toList()) {
        assertThat(document.resolveSibling(match.group(1))).as("%s", document).exists();
      }
    }
  }

  @Test
  void oneCommandAloneIsWhatItIsAmongAll() {
    CommandLine whole = Main.line("");
    whole
        .getSubcommands()
        .forEach((name, command) ->
            assertThat(Main.line(name).getSubcommands().get(name))
                .isNotNull()
                .satisfies(alone ->
                    assertThat(alone.getUsageMessage()).isEqualTo(command.getUsageMessage())));
  }
}
