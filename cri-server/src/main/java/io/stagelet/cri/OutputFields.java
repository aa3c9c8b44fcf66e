package io.stagelet.cri;

import io.stagelet.journal.ContainerFields;
import io.stagelet.journal.ContainerOutput;
import io.stagelet.stage0.spi.ContainerPlan;
import java.util.Map;

/** Where a container's output goes, and what the journal is told about it. */
final class OutputFields {
  private OutputFields() {}

  static ContainerOutput output(ContainerRecord container, SandboxRecord sandbox, String unit) {
    ContainerPlan plan = container.plan();
    ContainerFields fields =
        new ContainerFields(
            unit,
            plan.id().value(),
            plan.name(),
            container.image(),
            sandbox.key().namespace(),
            sandbox.key().name(),
            sandbox.key().uid(),
            plan.name(),
            container.attempt(),
            Map.of());
    ContainerOutput output =
        new ContainerOutput(
            plan.id().value(), plan.stdout(), plan.stderr(), container.logPath(), fields.toMap());
    return plan.process().terminal() ? output.onTerminal() : output;
  }
}
