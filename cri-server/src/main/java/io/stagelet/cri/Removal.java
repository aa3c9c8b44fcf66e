package io.stagelet.cri;

import io.stagelet.linux.StageletException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Takes every pod off this node: side by side, as nothing else is to run any more. */
final class Removal {
  private final Pods pods;
  private final SandboxLifecycle sandboxes;
  private final ContainerLifecycle containers;

  Removal(Pods pods, SandboxLifecycle sandboxes, ContainerLifecycle containers) {
    this.pods = pods;
    this.sandboxes = sandboxes;
    this.containers = containers;
  }

  /**
   * What became of a pod.
   *
   * @param pod its namespace and name
   * @param problem why it is still there; empty when it is gone
   */
  record Outcome(String pod, Optional<String> problem) {}

  /**
   * Returns when all that can be are gone, which takes as long as the longest grace.
   *
   * @param atOnce without the grace that kubelet has told for each
   */
  List<Outcome> all(boolean atOnce) {
    List<Ahead<Outcome>> begun =
        pods.sandboxes().stream()
            .map(sandbox ->
                Ahead.of("removal of " + sandbox.id().shortened(), () -> of(sandbox, atOnce)))
            .toList();
    return begun.stream().map(Ahead::get).toList();
  }

  private Outcome of(Sandbox sandbox, boolean atOnce) {
    String pod = sandbox.plan().namespace() + "/" + sandbox.plan().name();
    try {
      List<Ahead<Container>> stopping =
          pods.containers().stream()
              .filter(container -> container.sandbox() == sandbox)
              .map(container ->
                  Ahead.of(
                      "the end of " + container.id().shortened(),
                      () -> {
                        containers.stop(
                            container, atOnce ? Duration.ZERO : container.plan().grace());
                        return container;
                      }))
              .toList();
      for (Ahead<Container> stopped : stopping) {
        var _ = stopped.get();
      }
      sandboxes.remove(sandbox);
      return new Outcome(pod, Optional.empty());
    } catch (StageletException failure) {
      return new Outcome(pod, Optional.of(StageletException.reason(failure)));
    }
  }
}
