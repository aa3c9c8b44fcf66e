package io.stagelet.journal;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the journal is told about the container that an entry is about; the names are those of
 * docker and podman where these have one.
 *
 * @param unit the container's systemd unit, so that {@code journalctl -u} finds the entry: {@code
 *     OBJECT_SYSTEMD_UNIT}
 * @param containerId 64 hexadecimal digits: {@code CONTAINER_ID_FULL}, and the first twelve as
 *     {@code CONTAINER_ID}
 * @param containerName {@code CONTAINER_NAME}
 * @param imageName the image as the user named it: {@code IMAGE_NAME}
 * @param podNamespace {@code K8S_NAMESPACE_NAME}
 * @param podName {@code K8S_POD_NAME}
 * @param podUid {@code K8S_POD_UID}
 * @param podId the id of the pod's sandbox: {@code POD_ID}
 * @param name the container's name in its pod: {@code K8S_CONTAINER_NAME} and {@code
 *     SYSLOG_IDENTIFIER}
 * @param attempt how often the container was created before: {@code K8S_CONTAINER_ATTEMPT}
 * @param labels further fields, by their names in the journal
 */
public record ContainerFields(
    String unit,
    String containerId,
    String containerName,
    String imageName,
    String podNamespace,
    String podName,
    String podUid,
    String podId,
    String name,
    int attempt,
    Map<String, String> labels) {
  private static final int SHORT_ID = 12;

  public ContainerFields {
    labels.keySet().forEach(NativeProtocol::checkName);
    labels = Collections.unmodifiableMap(new LinkedHashMap<>(labels));
  }

  /** The fields of an entry about this container. */
  public Map<String, String> toMap() {
    Map<String, String> fields = new LinkedHashMap<>(labels);
    fields.put("OBJECT_SYSTEMD_UNIT", unit);
    fields.put("CONTAINER_ID_FULL", containerId);
    fields.put("CONTAINER_ID", containerId.substring(0, Math.min(SHORT_ID, containerId.length())));
    fields.put("CONTAINER_NAME", containerName);
    fields.put("IMAGE_NAME", imageName);
    fields.put("K8S_NAMESPACE_NAME", podNamespace);
    fields.put("K8S_POD_NAME", podName);
    fields.put("K8S_POD_UID", podUid);
    fields.put("POD_ID", podId);
    fields.put("K8S_CONTAINER_NAME", name);
    fields.put("K8S_CONTAINER_ATTEMPT", Integer.toString(attempt));
    fields.put("SYSLOG_IDENTIFIER", name);
    return fields;
  }
}
