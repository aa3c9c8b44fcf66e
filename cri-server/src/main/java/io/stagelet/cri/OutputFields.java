package io.stagelet.cri;

import io.stagelet.journal.ContainerOutput;
import io.stagelet.journal.OutputPolicy;
import io.stagelet.stage0.spi.ContainerPlan;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Where a container's output goes, and what the journal is told about it. */
final class OutputFields {
  /**
   * Set to {@code "true"} on a pod, it says that lines of its containers may begin with their
   * priority, {@code <0>} to {@code <7>} ({@code sd-daemon(3)}).
   */
  static final String PRIORITY_ANNOTATION = "stagelet.io/log-priority-prefix";

  private static final String LABEL_PREFIX = "K8S_LABEL_";
  private static final int LONGEST_NAME = 64;

  private OutputFields() {}

  static ContainerOutput output(
      ContainerRecord container, SandboxRecord sandbox, String unit, Configuration configuration) {
    ContainerPlan plan = container.plan();
    Configuration.Handler handler = configuration.handlers().get(sandbox.handler());
    ContainerOutput output =
        new ContainerOutput(
            plan.id().value(),
            plan.stdout(),
            plan.stderr(),
            container.logPath(),
            StoryFields.of(container, sandbox, unit, labels(sandbox, configuration)).toMap(),
            Boolean.parseBoolean(sandbox.annotations().get(PRIORITY_ANNOTATION)),
            handler == null ? OutputPolicy.BLOCK : handler.output());
    return plan.process().terminal() ? output.onTerminal() : output;
  }

  /** kubelet tells a container's labels with the pod's. */
  private static Map<String, String> labels(SandboxRecord sandbox, Configuration configuration) {
    Map<String, String> fields = new LinkedHashMap<>();
    for (String label : configuration.output().labels()) {
      String value = sandbox.labels().get(label);
      if (value != null) {
        fields.put(fieldName(label), value);
      }
    }
    return fields;
  }

  /**
   * The journal field of a label: {@code app.kubernetes.io/name} is in
   * K8S_LABEL_APP_KUBERNETES_IO_NAME.
   */
  static String fieldName(String label) {
    String name = LABEL_PREFIX + label.toUpperCase(Locale.ROOT).replaceAll("[^A-Z0-9]", "_");
    return name.substring(0, Math.min(LONGEST_NAME, name.length()));
  }
}
