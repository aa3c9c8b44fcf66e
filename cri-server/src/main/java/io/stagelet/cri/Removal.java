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
    return Ahead.each("the removal of a pod", pods.sandboxes(), sandbox -> of(sandbox, atOnce));
  }

  private Outcome of(Sandbox sandbox, boolean atOnce) {
    String pod = sandbox.plan().namespace() + "/" + sandbox.plan().name();
    try {
      List<Container> its =
          pods.containers().stream().filter(one -> one.sandbox() == sandbox).toList();
      var _ =
          Ahead.each(
              "the end of a container",
              its,
              container -> {
                containers.stop(container, atOnce ? Duration.ZERO : container.plan().grace());
                return container;
              });
      sandboxes.remove(sandbox);
      return new Outcome(pod, Optional.empty());
    } catch (StageletException failure) {
      return new Outcome(pod, Optional.of(StageletException.reason(failure)));
    }
  }
}
