package io.stagelet.cri.configuration;

import java.util.ArrayList;
import java.util.List;

/** The table of keys, as files and documents have it. */
public final class ConfigurationText {
  private static final int WIDTH = 100;

  private ConfigurationText() {}

  /** A file with every key in a comment, as it is without the file. */
  public static String toml() {
    StringBuilder text =
        new StringBuilder(
            """
            # The configuration of Stagelet. What is in comments here are the defaults.
            # Files in stagelet.toml.d/ (*.toml, by name) come after this one and win.
            # "stagelet config check" finds mistakes, "systemctl reload stagelet" takes changes up.
            """);
    String table = "";
    for (ConfigurationKey key : ConfigurationKeys.all()) {
      if (!key.table().equals(table)) {
        boolean inner = key.table().startsWith(table + ".") && key.table().equals("log.levels");
        table = key.table();
        text.append('\n');
        if (!inner) {
          comment(text, ConfigurationKeys.about(table));
          text.append('#').append('[').append(example(table)).append("]\n");
        }
      }
      text.append('\n');
      comment(
          text,
          key.description()
              + " ("
              + key.type().words()
              + "; changed by "
              + key.effect().word()
              + ")");
      if (!ConfigurationKey.standsForAny(key.bareName())) {
        text.append("#")
            .append(key.bareName())
            .append(" = ")
            .append(key.standard().isEmpty() ? "…" : key.standard())
            .append('\n');
      } else if (key.name().startsWith("log.levels.")) {
        text.append("#levels = { \"io.stagelet.units\" = \"debug\" }\n");
      }
    }
    return text.toString();
  }

  private static String example(String table) {
    return table.replace("NAME", "crun");
  }

  private static void comment(StringBuilder text, String words) {
    for (String line : wrapped(words, WIDTH - 2)) {
      text.append("# ").append(line).append('\n');
    }
  }

  /** The table for {@code docs/configure.md}. */
  public static String markdown() {
    StringBuilder text =
        new StringBuilder(
            """
            | key | what | value | default | changed by |
            |---|---|---|---|---|
            """);
    for (ConfigurationKey key : ConfigurationKeys.all()) {
      text.append(
          "| `%s` | %s | %s | %s | %s |%n"
              .formatted(
                  key.name(),
                  key.description().replace("|", "\\|").replace("*", "\\*"),
                  key.type().words(),
                  key.standard().isEmpty() ? "" : "`" + key.standard() + "`",
                  key.effect().word()));
    }
    return text.toString();
  }

  /** The manual page {@code stagelet.toml(5)}. */
  public static String manual() {
    StringBuilder text =
        new StringBuilder(
            """
            .TH STAGELET.TOML 5 "" "Stagelet"
            .SH NAME
            stagelet.toml \\- configuration of the Kubernetes container runtime Stagelet
            .SH SYNOPSIS
            .I /etc/stagelet/stagelet.toml
            .br
            .I /etc/stagelet/stagelet.toml.d/*.toml
            .SH DESCRIPTION
            The files are TOML. Those of the folder are read after the first file, in the order of their names; a later
            value takes the place of an earlier one, key by key. What no file says has a default, and no file needs to be there.
            .PP
            .B stagelet config check
            finds mistakes,
            .B stagelet config show
            prints what holds and which file says so.
            .B systemctl reload stagelet
            takes up changes of keys that are marked (reload), and names in the journal those that wait for
            .BR "systemctl restart stagelet" ,
            which no pod notices.
            .SH KEYS
            """);
    String table = "";
    for (ConfigurationKey key : ConfigurationKeys.all()) {
      if (!key.table().equals(table)) {
        table = key.table();
        text.append(".SS [").append(escaped(table)).append("]\n");
        if (!ConfigurationKeys.about(table).isEmpty()) {
          text.append(escaped(ConfigurationKeys.about(table))).append('\n');
        }
      }
      text.append(".TP\n.B ").append(escaped(key.bareName())).append('\n');
      text.append(escaped(key.description())).append("\n.br\n");
      text.append(
          escaped(
              "%s%s (%s)"
                  .formatted(
                      key.type().words(),
                      key.standard().isEmpty() ? "" : "; default " + key.standard(),
                      key.effect().word())));
      text.append('\n');
    }
    return text.append(".SH SEE ALSO\n.BR stagelet (8)\n").toString();
  }

  private static String escaped(String words) {
    String plain = words.replace("\\", "\\e").replace("-", "\\-");
    return plain.startsWith(".") || plain.startsWith("'") ? "\\&" + plain : plain;
  }

  private static List<String> wrapped(String words, int width) {
    List<String> lines = new ArrayList<>();
    StringBuilder line = new StringBuilder();
    for (String word : words.split(" ")) {
      if (!line.isEmpty() && line.length() + 1 + word.length() > width) {
        lines.add(line.toString());
        line.setLength(0);
      }
      if (!line.isEmpty()) {
        line.append(' ');
      }
      line.append(word);
    }
    if (!line.isEmpty()) {
      lines.add(line.toString());
    }
    return lines;
  }
}
