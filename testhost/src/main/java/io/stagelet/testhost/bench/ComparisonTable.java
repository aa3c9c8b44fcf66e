package io.stagelet.testhost.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** Figures of several runtimes side by side, and the ratio of the first to the last. */
final class ComparisonTable {
  private static final double KILOBYTES_PER_MEGABYTE = 1024;
  private static final String LABEL = "| %-34s |";
  private static final String CELL = " %12s |";

  private ComparisonTable() {}

  /** A table in Markdown, with a newline at the end of each row. */
  static String of(List<PodFigures> runtimes) {
    List<String> rows = new ArrayList<>();
    rows.add(row("", runtimes.stream().map(PodFigures::runtime).toList(), "ratio"));
    rows.add(
        row(
            "-".repeat(34),
            runtimes.stream().map(_ -> "-".repeat(11) + ":").toList(),
            "-".repeat(11) + ":"));
    for (String call : runtimes.getFirst().medians().keySet()) {
      rows.add(numbers(call + ", median ms", runtimes, figures -> figures.median(call)));
    }
    rows.add(numbers("run + create + start, ms", runtimes, PodFigures::untilRunning));
    rows.add(
        numbers(
            "own processes, PSS in MB",
            runtimes,
            figures -> figures.memory().newKilobytes() / KILOBYTES_PER_MEGABYTE));
    rows.add(
        numbers(
            "growth of PID 1, PSS in MB",
            runtimes,
            figures -> figures.memory().initGrowthKilobytes() / KILOBYTES_PER_MEGABYTE));
    rows.add(
        numbers(
            "growth of journald, bus…, in MB",
            runtimes,
            figures -> figures.memory().otherGrowthKilobytes() / KILOBYTES_PER_MEGABYTE));
    rows.add(
        numbers(
            "all that is kept running, in MB",
            runtimes,
            figures -> figures.memory().totalKilobytes() / KILOBYTES_PER_MEGABYTE));
    rows.add(
        numbers(
            "own processes, number",
            runtimes,
            figures ->
                figures.memory().newProcesses().values().stream()
                    .mapToLong(Long::longValue)
                    .sum()));
    return rows.stream().map(row -> row + "\n").collect(Collectors.joining());
  }

  private static String numbers(
      String label, List<PodFigures> runtimes, ToDoubleFunction<PodFigures> figure) {
    double first = figure.applyAsDouble(runtimes.getFirst());
    double last = figure.applyAsDouble(runtimes.getLast());
    return row(
        label,
        runtimes.stream().map(runtime -> number("%.1f", figure.applyAsDouble(runtime))).toList(),
        runtimes.size() < 2 || last == 0 ? "" : number("%.2f", first / last));
  }

  private static String row(String label, List<String> cells, String ratio) {
    StringBuilder row = new StringBuilder(LABEL.formatted(label));
    cells.forEach(cell -> row.append(CELL.formatted(cell)));
    return row.append(CELL.formatted(ratio)).toString();
  }

  private static String number(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }
}
