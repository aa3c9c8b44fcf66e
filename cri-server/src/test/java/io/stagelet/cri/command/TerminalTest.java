package io.stagelet.cri.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class TerminalTest {
  private static final List<List<String>> ROWS =
      List.of(
          List.of("ID", "NAME", "UNIT"),
          List.of("0123456789ab", "web", "pod-default-web-0123456789ab.service"));

  @Test
  void aTableIsAsWideAsItNeeds() {
    assertThat(new Terminal(0, false).table(ROWS))
        .containsExactly(
            "ID            NAME  UNIT", "0123456789ab  web   pod-default-web-0123456789ab.service");
  }

  @Test
  void theWidestColumnIsCutUntilItFits() {
    assertThat(new Terminal(40, false).table(ROWS))
        .allMatch(line -> line.length() <= 40)
        .anyMatch(line -> line.endsWith("…"));
  }

  @Test
  void coloursAreForTerminalsOnly() {
    assertThat(new Terminal(80, true).bad("BROKEN")).isEqualTo("\u001b[31mBROKEN\u001b[0m");
    assertThat(new Terminal(80, false).bad("BROKEN")).isEqualTo("BROKEN");
  }

  @Test
  void agesAndSizesHaveOneUnit() {
    Instant now = Instant.parse("2026-01-10T00:00:00Z");
    assertThat(Terminal.age(now.minusSeconds(5), now)).isEqualTo("5s");
    assertThat(Terminal.age(now.minusSeconds(600), now)).isEqualTo("10m");
    assertThat(Terminal.age(now.minusSeconds(86_400), now)).isEqualTo("24h");
    assertThat(Terminal.age(now.minusSeconds(864_000), now)).isEqualTo("10d");
    assertThat(Terminal.bytes(3 << 20)).isEqualTo("3M");
    assertThat(Terminal.bytes(3L << 29)).isEqualTo("1.5G");
  }
}
