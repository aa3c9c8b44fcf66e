package io.stagelet.cri.command;

import java.io.Console;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a person sees: tables that fit the terminal, and colours where there is one.
 *
 * @param columns how wide it is; 0 for as wide as need be
 * @param colours whether it shows colours
 */
record Terminal(int columns, boolean colours) {
  private static final int LEAST_COLUMN = 5;
  private static final String GREEN = "32";
  private static final String RED = "31";
  private static final String BOLD = "1";

  /** Where the standard output goes. */
  static Terminal of(Map<String, String> environment) {
    boolean terminal = Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    String columns = environment.getOrDefault("COLUMNS", "");
    int width = columns.matches("[0-9]{1,4}") ? Integer.parseInt(columns) : terminal ? 80 : 0;
    return new Terminal(
        terminal || !columns.isEmpty() ? width : 0,
        terminal && environment.getOrDefault("NO_COLOR", "").isEmpty());
  }

  String good(String text) {
    return in(GREEN, text);
  }

  String bad(String text) {
    return in(RED, text);
  }

  String bold(String text) {
    return in(BOLD, text);
  }

  private String in(String code, String text) {
    return colours ? "\u001b[" + code + "m" + text + "\u001b[0m" : text;
  }

  /** A table whose first row is its head. The widest columns are cut until it fits. */
  List<String> table(List<List<String>> rows) {
    int count = rows.getFirst().size();
    int[] widths = new int[count];
    for (List<String> row : rows) {
      for (int i = 0; i < count; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    int room = columns == 0 ? Integer.MAX_VALUE : columns - 2 * (count - 1);
    while (Arrays.stream(widths).sum() > room) {
      int widest = 0;
      for (int i = 1; i < count; i++) {
        if (widths[i] > widths[widest]) {
          widest = i;
        }
      }
      if (widths[widest] <= LEAST_COLUMN) {
        break;
      }
      widths[widest]--;
    }
    List<String> lines = new ArrayList<>();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < count; i++) {
        String cell = row.get(i);
        String cut = cell.length() > widths[i] ? cell.substring(0, widths[i] - 1) + "…" : cell;
        line.append(cut).append(" ".repeat(widths[i] - cut.length()));
        line.append(i < count - 1 ? "  " : "");
      }
      String text = line.toString().stripTrailing();
      lines.add(lines.isEmpty() ? bold(text) : text);
    }
    return lines;
  }

  /** A number of bytes for people. */
  static String bytes(long bytes) {
    if (bytes < 1 << 20) {
      return bytes / 1024 + "K";
    }
    return bytes < 1 << 30 ? (bytes >> 20) + "M" : "%.1fG".formatted(bytes / (double) (1 << 30));
  }

  /** How long ago, in one unit. */
  static String age(java.time.Instant then, java.time.Instant now) {
    long seconds = Math.max(0, java.time.Duration.between(then, now).toSeconds());
    if (seconds < 120) {
      return seconds + "s";
    }
    if (seconds < 2 * 3600) {
      return seconds / 60 + "m";
    }
    return seconds < 2 * 86_400 ? seconds / 3600 + "h" : seconds / 86_400 + "d";
  }
}
