package io.stagelet.cri;

import io.stagelet.journal.ContainerOutput;
import io.stagelet.stage0.spi.ContainerPlan;
import java.util.LinkedHashMap;
import java.util.Map;

/** The journal fields of a container's output; the names are those of docker, podman and Kubernetes' log tools. */
final class OutputFields {
  private OutputFields() {}

  static ContainerOutput output(ContainerRecord container, SandboxRecord sandbox, String unit) {
    ContainerPlan plan = container.plan();
    Map<String, String> fields = new LinkedHashMap<>();
    // with this field, from a sender that is root, "journalctl -u UNIT" shows the entry (journalctl(1))
    fields.put("OBJECT_SYSTEMD_UNIT", unit);
    fields.put("SYSLOG_IDENTIFIER", plan.name());
    fields.put("CONTAINER_NAME", plan.name());
    fields.put("CONTAINER_ID", plan.id().shortened());
    fields.put("CONTAINER_ID_FULL", plan.id().value());
    fields.put("IMAGE_NAME", container.image());
    fields.put("K8S_NAMESPACE_NAME", sandbox.key().namespace());
    fields.put("K8S_POD_NAME", sandbox.key().name());
    fields.put("K8S_POD_UID", sandbox.key().uid());
    fields.put("K8S_CONTAINER_NAME", plan.name());
    fields.put("K8S_CONTAINER_ATTEMPT", String.valueOf(container.attempt()));
    return new ContainerOutput(plan.id().value(), plan.stdout(), plan.stderr(), container.logPath(), fields);
  }
}
