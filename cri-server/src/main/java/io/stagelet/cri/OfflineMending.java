package io.stagelet.cri;

import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.Stage1;
import java.time.Clock;
import java.util.Optional;

/**
 * Mends while no server runs: in the records, and in systemd. A server that starts later does what
 * is left, such as the delivery of output.
 */
final class OfflineMending implements Mending {
  private final Records records;
  private final Handlers handlers;
  private final Cni cni;
  private final Clock clock;

  OfflineMending(Records records, Handlers handlers, Cni cni, Clock clock) {
    this.records = records;
    this.handlers = handlers;
    this.cni = cni;
    this.clock = clock;
  }

  @Override
  public void settle(String id) {
    Optional<SandboxRecord> sandbox = records.sandbox(id);
    if (sandbox.isPresent()) {
      settle(sandbox.get());
    } else {
      settle(container(id));
    }
  }

  private void settle(SandboxRecord record) {
    switch (record.phase()) {
      case CREATING -> {
        takeDown(record);
        DurableFiles.deleteTree(record.plan().runDirectory());
        records.delete(record.plan().id());
      }
      case READY -> records.store(record.with(SandboxRecord.Phase.NOT_READY));
      case NOT_READY -> takeDown(record);
    }
  }

  private void settle(ContainerRecord record) {
    Optional<SandboxRecord> known = records.sandbox(record.plan().sandbox().id().value());
    if (known.isEmpty()) {
      handlers.all().forEach(stage1 -> stage1.removeContainer(record.plan()));
      discard(record.plan());
      return;
    }
    Container container = new Container(record, new Sandbox(known.get(), stage1(known.get())));
    ContainerState state = container.stage1().state(record.plan());
    switch (record.life()) {
      case ContainerRecord.Running running -> {
        switch (state) {
          case ContainerState.Ended ended ->
              records.store(record.with(ContainerLifecycle.exited(container, ended)));
          case ContainerState.Absent _ ->
              records.store(record.with(ContainerLifecycle.unknown(running, clock.instant())));
          case ContainerState.Running _, ContainerState.Starting _ -> {}
        }
      }
      case ContainerRecord.Created _ -> {
        if (!(state instanceof ContainerState.Absent)) {
          records.store(record.with(new ContainerRecord.Running(record.createdAt())));
        }
      }
      case ContainerRecord.Exited _ -> container.stage1().removeContainer(record.plan());
    }
  }

  @Override
  public void end(String id) {
    Optional<SandboxRecord> sandbox = records.sandbox(id);
    if (sandbox.isPresent()) {
      records.loadContainers().records().stream()
          .filter(record -> record.plan().sandbox().id().value().equals(id))
          .forEach(record -> stage1(sandbox.get()).kill(record.plan()));
      takeDown(sandbox.get());
      records.store(sandbox.get().with(Optional.empty()).with(SandboxRecord.Phase.NOT_READY));
      return;
    }
    ContainerRecord record = container(id);
    Stage1 stage1 =
        stage1(
            records
                .sandbox(record.plan().sandbox().id().value())
                .orElseThrow(() -> unknown(record.plan().sandbox().id().value())));
    if (record.life() instanceof ContainerRecord.Created) {
      stage1.removeContainer(record.plan());
      discard(record.plan());
    } else {
      stage1.kill(record.plan());
    }
  }

  private void takeDown(SandboxRecord record) {
    record
        .network()
        .ifPresent(attachment -> cni.detach(SandboxLifecycle.target(record), attachment));
    stage1(record).stopSandbox(record.plan());
  }

  private void discard(ContainerPlan plan) {
    Inspection.sweep(plan.directory());
    records.delete(plan.id());
  }

  private Stage1 stage1(SandboxRecord record) {
    return handlers.ofExisting(record.handler());
  }

  private ContainerRecord container(String id) {
    return records.container(id).orElseThrow(() -> unknown(id));
  }

  private static StageletException unknown(String id) {
    return new StageletException(
        ErrorCode.NOT_FOUND, "there is no record of a sandbox or container '%s'".formatted(id));
  }
}
