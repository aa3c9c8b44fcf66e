package io.stagelet.cri;

import io.stagelet.journal.ContainerFields;
import java.util.LinkedHashMap;
import java.util.Map;

/** The journal fields by which a message is found that is about a pod or a container. */
final class StoryFields {
  private StoryFields() {}

  /** About a pod that has no sandbox yet. */
  static Map<String, String> of(SandboxRecord.PodKey key) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("K8S_NAMESPACE_NAME", key.namespace());
    fields.put("K8S_POD_NAME", key.name());
    fields.put("K8S_POD_UID", key.uid());
    return fields;
  }

  /** About a sandbox of which there is a record. */
  static Map<String, String> of(SandboxRecord record) {
    Map<String, String> fields = of(record.key());
    fields.put("POD_ID", record.plan().id().value());
    return fields;
  }

  /** About a sandbox. */
  static Map<String, String> of(Sandbox sandbox) {
    Map<String, String> fields = of(sandbox.record());
    fields.put("OBJECT_SYSTEMD_UNIT", sandbox.unit());
    return fields;
  }

  /** About a container. */
  static Map<String, String> of(Container container) {
    Map<String, String> fields =
        new LinkedHashMap<>(
            of(container.record(), container.sandbox().record(), container.unit(), Map.of())
                .toMap());
    // says who speaks, and here it is not the container
    fields.remove("SYSLOG_IDENTIFIER");
    return fields;
  }

  static ContainerFields of(
      ContainerRecord container, SandboxRecord sandbox, String unit, Map<String, String> labels) {
    return new ContainerFields(
        unit,
        container.plan().id().value(),
        container.plan().name(),
        container.image(),
        sandbox.key().namespace(),
        sandbox.key().name(),
        sandbox.key().uid(),
        sandbox.plan().id().value(),
        container.plan().name(),
        container.attempt(),
        labels);
  }
}
