package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * The fields are described once, in the tables of {@code docs/journal.md}; the sections of the
 * manual page are made of them. After a change there, run this test with {@code
 * -Dstagelet.manual=write}, and it writes the page anew.
 */
class JournalManualTest {
  private static final Path DOCUMENT = Path.of("../docs/journal.md");
  private static final Path MANUAL = Path.of("../docs/man/stagelet-journal.7");
  private static final Pattern ROW = Pattern.compile("\\| (`[A-Z].*?`) \\| (.*) \\|");
  private static final Pattern CODE = Pattern.compile("`([^`]+)`");

  /** The headings in the document, and those in the page. */
  private static final Map<String, String> SECTIONS =
      Map.of(
          "Fields of output", "FIELDS OF OUTPUT",
          "Fields of Stagelet's own messages", "FIELDS OF STAGELET'S OWN MESSAGES");

  private record Row(List<String> fields, String text) {}

  @Test
  void theManualPageSaysOfTheFieldsWhatTheDocumentSays() throws IOException {
    String manual = Files.readString(MANUAL);
    String made = manual;
    for (Map.Entry<String, String> section : SECTIONS.entrySet()) {
      made = with(made, section.getValue(), rendered(rows(section.getKey())));
    }
    if ("write".equals(System.getProperty("stagelet.manual"))) {
      Files.writeString(MANUAL, made);
      return;
    }
    assertThat(manual).isEqualTo(made);
  }

  @Test
  void theDocumentHasEachFieldOfOutputAndNoOther() throws IOException {
    Set<String> sent =
        new TreeSet<>(
            new ContainerFields("u", "id", "c", "i", "n", "p", "uid", "sandbox", "c", 0, Map.of())
                .toMap()
                .keySet());
    // what the relay adds; and labels have names of their own
    sent.addAll(
        Set.of(
            "MESSAGE",
            "STREAM",
            "PRIORITY",
            "CONTAINER_ID_FULL",
            "CONTAINER_PARTIAL_MESSAGE",
            "STAGELET_SEQUENCE",
            "K8S_LABEL_…"));
    Set<String> documented = new TreeSet<>();
    rows("Fields of output").forEach(row -> documented.addAll(row.fields()));
    assertThat(documented).isEqualTo(sent);
  }

  private static List<Row> rows(String heading) throws IOException {
    String document = Files.readString(DOCUMENT);
    int begin = document.indexOf("## " + heading + "\n");
    int end = document.indexOf("\n## ", begin);
    List<Row> rows = new ArrayList<>();
    Matcher row = ROW.matcher(document.substring(begin, end));
    while (row.find()) {
      List<String> fields =
          CODE.matcher(row.group(1)).results().map(match -> match.group(1)).toList();
      rows.add(new Row(fields, row.group(2)));
    }
    assertThat(rows).as(heading).isNotEmpty();
    return rows;
  }

  private static String rendered(List<Row> rows) {
    StringBuilder page = new StringBuilder();
    for (Row row : rows) {
      page.append(".TP\n.BR ").append(String.join(" \", \" ", row.fields())).append('\n');
      String text = row.text().replace("\\", "\\e").replace("-", "\\-");
      text = Character.toUpperCase(text.charAt(0)) + text.substring(1);
      page.append(CODE.matcher(text).replaceAll("\\\\fB$1\\\\fR"));
      page.append(text.endsWith(".") ? "\n" : ".\n");
    }
    return page.toString().replace("…", "\\&...");
  }

  /** The page with other rows in a section; what stands before its first row is kept. */
  private static String with(String manual, String section, String rows) {
    int begin = manual.indexOf(".SH " + section + "\n");
    assertThat(begin).as("the section " + section).isNotNegative();
    int from = manual.indexOf(".TP\n", begin);
    int to = manual.indexOf(".SH ", from);
    return manual.substring(0, from) + rows + manual.substring(to);
  }
}
