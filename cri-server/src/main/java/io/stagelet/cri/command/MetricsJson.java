package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Prometheus' text as JSON: an object for each sample, in their order. */
final class MetricsJson {
  private static final Pattern SAMPLE =
      Pattern.compile("(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(?<labels>.*)\\})? (?<value>[^ ]+)");
  private static final Pattern LABEL =
      Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\.)*)\"");

  private MetricsJson() {}

  static ArrayNode of(String text) {
    ArrayNode samples = JsonNodeFactory.instance.arrayNode();
    text.lines()
        .map(SAMPLE::matcher)
        .filter(Matcher::matches)
        .forEach(sample -> {
          ObjectNode node = samples.addObject().put("name", sample.group("name"));
          ObjectNode labels = node.putObject("labels");
          String written = sample.group("labels");
          if (written != null) {
            LABEL
                .matcher(written)
                .results()
                .forEach(label -> labels.put(label.group(1), unescaped(label.group(2))));
          }
          value(node, sample.group("value"));
        });
    return samples;
  }

  private static void value(ObjectNode node, String value) {
    try {
      node.put("value", Double.parseDouble(value));
    } catch (NumberFormatException infinite) {
      // +Inf, which JSON has no number for
      node.put("value", value);
    }
  }

  private static String unescaped(String text) {
    StringBuilder plain = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char next = text.charAt(i);
      if (next == '\\' && i + 1 < text.length()) {
        i++;
        next = text.charAt(i) == 'n' ? '\n' : text.charAt(i);
      }
      plain.append(next);
    }
    return plain.toString();
  }
}
