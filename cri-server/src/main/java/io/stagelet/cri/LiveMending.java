package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Optional;

/** Mends in the running server, whose memory has to agree as well. */
final class LiveMending implements Mending {
  private final Pods pods;
  private final Records records;
  private final Handlers handlers;
  private final SandboxLifecycle sandboxes;
  private final ContainerLifecycle containers;

  LiveMending(
      Pods pods,
      Records records,
      Handlers handlers,
      SandboxLifecycle sandboxes,
      ContainerLifecycle containers) {
    this.pods = pods;
    this.records = records;
    this.handlers = handlers;
    this.sandboxes = sandboxes;
    this.containers = containers;
  }

  @Override
  public void settle(String id) {
    Optional<Container> container = container(id);
    Optional<Sandbox> sandbox = sandbox(id);
    if (container.isPresent()) {
      containers.settleAgain(container.get());
    } else if (sandbox.isPresent()) {
      sandboxes.settleAgain(sandbox.get());
    } else {
      settleUnknown(id);
    }
  }

  /** What is on disk, and not in memory: a sandbox half made, a container that lost its sandbox. */
  private void settleUnknown(String id) {
    Optional<SandboxRecord> sandbox = records.sandbox(id);
    if (sandbox.isPresent()) {
      sandboxes.undoIfAbandoned(sandbox.get());
      return;
    }
    ContainerRecord container =
        records
            .container(id)
            .filter(record -> sandbox(record.plan().sandbox().id().value()).isEmpty())
            .orElseThrow(() -> unknown(id));
    handlers.all().forEach(stage1 -> containers.discard(container.plan(), stage1::removeContainer));
  }

  @Override
  public void end(String id) {
    Optional<Container> container = container(id);
    if (container.isEmpty()) {
      sandboxes.stop(sandbox(id).orElseThrow(() -> unknown(id)));
    } else if (container.get().record().life() instanceof ContainerRecord.Created) {
      containers.remove(container.get());
    } else {
      containers.kill(container.get());
    }
  }

  private Optional<Container> container(String id) {
    return pods.containers().stream().filter(one -> one.id().value().equals(id)).findFirst();
  }

  private Optional<Sandbox> sandbox(String id) {
    return pods.sandboxes().stream().filter(one -> one.id().value().equals(id)).findFirst();
  }

  private static StageletException unknown(String id) {
    return new StageletException(
        ErrorCode.NOT_FOUND,
        "no sandbox or container '%s' is known that could be brought in order".formatted(id));
  }
}
