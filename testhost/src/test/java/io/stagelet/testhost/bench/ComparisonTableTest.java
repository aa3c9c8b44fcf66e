package io.stagelet.testhost.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ComparisonTableTest {
  @Test
  void showsEachFigureAndTheRatioOfTheFirstToTheLast() {
    String table =
        ComparisonTable.of(List.of(figures("ours", 10, 2048), figures("theirs", 40, 8192)));

    assertThat(cells(table, "RunPodSandbox, median ms")).containsExactly("10.0", "40.0", "0.25");
    assertThat(cells(table, "run + create + start, ms")).containsExactly("30.0", "120.0", "0.25");
    assertThat(cells(table, "own processes, PSS in MB")).containsExactly("2.0", "8.0", "0.25");
    assertThat(cells(table, "growth of PID 1, PSS in MB")).containsExactly("0.0", "0.0", "");
  }

  @Test
  void oneRuntimeAloneHasNoRatio() {
    assertThat(
            cells(ComparisonTable.of(List.of(figures("ours", 10, 1))), "StopContainer, median ms"))
        .containsExactly("10.0", "");
  }

  private static PodFigures figures(String runtime, double millis, long kilobytes) {
    Map<String, Double> medians = new LinkedHashMap<>();
    for (String call :
        List.of(
            PodFigures.RUN,
            PodFigures.CREATE,
            PodFigures.START,
            PodFigures.STOP,
            PodFigures.STOP_SANDBOX)) {
      medians.put(call, millis);
    }
    return new PodFigures(
        runtime, medians, new ProcessTable.Growth(kilobytes, Map.of("daemon", 1L), 0, 0));
  }

  private static List<String> cells(String table, String label) {
    String row =
        table.lines().filter(line -> line.startsWith("| " + label)).findFirst().orElseThrow();
    List<String> cells = List.of(row.split("\\|", -1));
    return cells.subList(2, cells.size() - 1).stream().map(String::strip).toList();
  }
}
