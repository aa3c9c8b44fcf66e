package io.stagelet.cri;

import io.stagelet.stage0.spi.SandboxPlan;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that is stored of a sandbox, and what CRI must give back of it.
 *
 * @param plan what its stage1 was told
 * @param handler the handler that runs it
 * @param runtimeHandler the handler's name as kubelet said it; empty for the default
 * @param key which pod this is
 * @param network what CNI made; absent with the host's network, and before and after it
 * @param logDirectory the host directory of its containers' logs; empty for none
 * @param resources what it may use as a whole
 */
record SandboxRecord(
    SandboxPlan plan,
    String handler,
    String runtimeHandler,
    PodKey key,
    Phase phase,
    Instant createdAt,
    Map<String, String> labels,
    Map<String, String> annotations,
    NamespaceModes namespaces,
    Optional<CniAttachment> network,
    String logDirectory,
    PodResources resources) {
  SandboxRecord {
    // a record that was stored by an earlier version has none
    resources = resources == null ? PodResources.NONE : resources;
    labels = Map.copyOf(labels);
    annotations = Map.copyOf(annotations);
  }

  /**
   * Where a sandbox is in its life.
   *
   * <pre>
   *             run done           stop, or its unit ended
   *   CREATING ──────────▶ READY ──────────────────────────▶ NOT_READY ──▶ (removed)
   *      └── run failed: undone at once, or at the next start ──▶ (removed)
   * </pre>
   */
  enum Phase {
    CREATING,
    READY,
    NOT_READY
  }

  /** What makes a pod this pod: a call that names the same means the same sandbox. */
  record PodKey(String namespace, String name, String uid, int attempt) {
    @Override
    public String toString() {
      return "%s/%s (uid %s, attempt %d)".formatted(namespace, name, uid, attempt);
    }
  }

  /** The namespace modes as CRI names them, to give back in a status. */
  record NamespaceModes(String network, String pid, String ipc) {}

  /** The addresses of its network, the primary one first; empty with the host's. */
  List<String> addresses() {
    return network.map(CniAttachment::addresses).orElse(List.of());
  }

  SandboxRecord with(Phase other) {
    return new SandboxRecord(
        plan,
        handler,
        runtimeHandler,
        key,
        other,
        createdAt,
        labels,
        annotations,
        namespaces,
        network,
        logDirectory,
        resources);
  }

  SandboxRecord with(Optional<CniAttachment> other) {
    return new SandboxRecord(
        plan,
        handler,
        runtimeHandler,
        key,
        phase,
        createdAt,
        labels,
        annotations,
        namespaces,
        other,
        logDirectory,
        resources);
  }

  SandboxRecord with(PodResources other) {
    return new SandboxRecord(
        plan,
        handler,
        runtimeHandler,
        key,
        phase,
        createdAt,
        labels,
        annotations,
        namespaces,
        network,
        logDirectory,
        other);
  }
}
