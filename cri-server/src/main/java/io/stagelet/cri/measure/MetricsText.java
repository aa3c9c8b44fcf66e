package io.stagelet.cri.measure;

import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Prometheus' text format, version 0.0.4. */
public final class MetricsText {
  /** The type of the text, as HTTP has it. */
  public static final String TYPE = "text/plain; version=0.0.4; charset=utf-8";

  private final StringBuilder text = new StringBuilder();
  private final Set<Metric> begun = EnumSet.noneOf(Metric.class);

  /** Adds a value; those of one metric come one after the other. */
  public void add(Metric metric, double value, String... labels) {
    begin(metric);
    sample(metric.metricName(), metric.labels(), List.of(labels), value);
  }

  /** As above, for a whole number. */
  public void add(Metric metric, long value, String... labels) {
    add(metric, (double) value, labels);
  }

  void begin(Metric metric) {
    if (begun.add(metric)) {
      text.append("# HELP ").append(metric.metricName()).append(' ').append(metric.help());
      text.append("\n# TYPE ").append(metric.metricName()).append(' ').append(metric.kind());
      text.append('\n');
    }
  }

  void sample(String name, List<String> labels, List<String> values, double value) {
    text.append(name);
    if (!labels.isEmpty()) {
      text.append('{');
      for (int i = 0; i < labels.size(); i++) {
        text.append(i == 0 ? "" : ",").append(labels.get(i)).append("=\"");
        text.append(escaped(values.get(i))).append('"');
      }
      text.append('}');
    }
    text.append(' ').append(number(value)).append('\n');
  }

  private static String escaped(String value) {
    return value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }

  static String number(double value) {
    if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      return Long.toString((long) value);
    }
    return Double.isInfinite(value) ? "+Inf" : String.format(Locale.ROOT, "%.6f", value);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
