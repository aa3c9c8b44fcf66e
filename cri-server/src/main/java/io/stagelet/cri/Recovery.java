package io.stagelet.cri;

import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.streaming.ContainerInputs;
import io.stagelet.journal.Relay;
import io.stagelet.journal.Story;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Listener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings together, when the server starts, what is on disk, what systemd runs, and what the kernel
 * has mounted: what goes on is taken up again, what ended meanwhile is noted, and what belongs to
 * nobody is cleaned away. One thing that cannot be repaired stops nothing else; it is said in the
 * log.
 */
final class Recovery {
  private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);

  private final Configuration configuration;
  private final Handlers handlers;
  private final Pods pods;
  private final Records records;
  private final SandboxLifecycle sandboxes;
  private final ContainerLifecycle containers;
  private final Relay relay;
  private final ContainerInputs inputs;
  private final Measures measures;

  /** Those whose handler cannot be used now: nothing of theirs is cleaned away. */
  private final List<SandboxPlan> sandboxesLeftAlone = new ArrayList<>();

  private final List<ContainerPlan> containersLeftAlone = new ArrayList<>();

  Recovery(
      Configuration configuration,
      Handlers handlers,
      Pods pods,
      Records records,
      SandboxLifecycle sandboxes,
      ContainerLifecycle containers,
      Relay relay,
      ContainerInputs inputs,
      Measures measures) {
    this.configuration = configuration;
    this.handlers = handlers;
    this.pods = pods;
    this.records = records;
    this.sandboxes = sandboxes;
    this.containers = containers;
    this.relay = relay;
    this.inputs = inputs;
    this.measures = measures;
  }

  /**
   * Does it all, once, before the first call is answered.
   *
   * @param descriptors those that systemd kept over the restart, by name
   */
  void run(Map<String, Integer> descriptors) {
    for (SandboxRecord record : records.sandboxes(Recovery::damaged)) {
      attempt("sandbox " + record.plan().id().shortened(), () -> recover(record));
    }
    for (ContainerRecord record : records.containers(Recovery::damaged)) {
      attempt("container " + record.plan().id().shortened(), () -> recover(record, descriptors));
    }
    Set<String> units = new HashSet<>(pods.units());
    units.addAll(unitsLeftAlone());
    handlers
        .usable()
        .forEach((name, stage1) -> attempt("units of handler " + name, () -> stage1.sweep(units)));
    sweepDirectories();
    StoryEvent.SERVER_RECOVERED
        .on(LOG)
        .log(
            "{} sandboxes and {} containers are known",
            pods.sandboxes().size(),
            pods.containers().size());
  }

  /** What tells the lifecycles of changes from now on. */
  Stage1Listener listener() {
    return new Stage1Listener() {
      @Override
      public void changed(String unit) {
        pods.containerByUnit(unit).ifPresent(container -> reconcile(container));
        pods.sandboxByUnit(unit).ifPresent(sandbox -> reconcile(sandbox));
      }

      @Override
      public void resynchronize() {
        pods.containers().forEach(container -> reconcile(container));
        pods.sandboxes().forEach(sandbox -> reconcile(sandbox));
      }
    };
  }

  private void reconcile(Container container) {
    inBackground(StoryFields.of(container), () -> containers.reconcile(container));
  }

  private void reconcile(Sandbox sandbox) {
    inBackground(StoryFields.of(sandbox), () -> sandboxes.reconcile(sandbox));
  }

  private void inBackground(Map<String, String> about, Runnable work) {
    Thread.startVirtualThread(() -> Story.about(about, () -> attempt("a change", work)));
  }

  /** The units of pods whose handler cannot be used now, and of their containers. */
  private Set<String> unitsLeftAlone() {
    Set<String> units = new HashSet<>();
    for (Stage1 stage1 : handlers.usable().values()) {
      sandboxesLeftAlone.forEach(sandbox -> units.add(stage1.unitOf(sandbox)));
      containersLeftAlone.forEach(container -> units.add(stage1.unitOf(container)));
    }
    return units;
  }

  private boolean isLeftAlone(SandboxId sandbox) {
    return sandboxesLeftAlone.stream().anyMatch(plan -> plan.id().equals(sandbox));
  }

  private void recover(SandboxRecord record) {
    if (!handlers.usable().containsKey(record.handler())) {
      sandboxesLeftAlone.add(record.plan());
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "its handler '%s' cannot be used (%s); it runs on, and is taken up again by a restart with that mended"
              .formatted(
                  record.handler(),
                  handlers
                      .refused()
                      .getOrDefault(record.handler(), "it is not in the configuration")));
    }
    if (record.phase() == SandboxRecord.Phase.CREATING) {
      LOG.info(
          "sandbox {} was being made when the server ended; it is undone",
          record.plan().id().shortened());
      sandboxes.undo(record);
      return;
    }
    Sandbox sandbox = new Sandbox(record, handlers.stage1(record.handler()));
    pods.add(sandbox);
    sandboxes.reconcile(sandbox);
  }

  private void recover(ContainerRecord record, Map<String, Integer> descriptors) {
    SandboxId sandboxId = record.plan().sandbox().id();
    Sandbox sandbox = pods.findSandbox(sandboxId.value()).orElse(null);
    if (sandbox == null && isLeftAlone(sandboxId)) {
      containersLeftAlone.add(record.plan());
      return;
    }
    if (sandbox == null) {
      LOG.warn(
          "container {} is of no sandbox that is known; it is removed",
          record.plan().id().shortened());
      handlers
          .usable()
          .values()
          .forEach(stage1 -> containers.discard(record.plan(), stage1::removeContainer));
      return;
    }
    Container container = new Container(record, sandbox);
    pods.add(container);
    ContainerState state = container.stage1().state(container.plan());
    boolean outputKept =
        descriptors.keySet().stream().anyMatch(name -> name.contains(container.id().value()));
    if (state instanceof ContainerState.Absent
        && !outputKept
        && !(record.life() instanceof ContainerRecord.Running)) {
      return;
    }
    inputs.adopt(container.id().value(), record.plan().process().terminal(), descriptors);
    relay.adopt(containers.output(container), descriptors);
    switch (record.life()) {
      case ContainerRecord.Created _ when state instanceof ContainerState.Absent ->
          containers.notStarted(container);
      case ContainerRecord.Created _ -> {
        container.become(record.with(new ContainerRecord.Running(record.createdAt())));
        resume(container, state);
      }
      case ContainerRecord.Running _ -> resume(container, state);
      case ContainerRecord.Exited exited -> containers.finish(container, exited);
    }
  }

  private void resume(Container container, ContainerState state) {
    container.stage1().endLostExecs(container.plan());
    if (state instanceof ContainerState.Running running) {
      container.become(container.record().with(new ContainerRecord.Running(running.startedAt())));
    } else {
      containers.reconcile(container);
    }
  }

  /**
   * Removes what is named by an id that nobody knows: first what is mounted there, then the
   * directory.
   */
  private void sweepDirectories() {
    Set<String> known =
        Stream.of(
                pods.sandboxes().stream().map(Sandbox::id).map(SandboxId::value),
                pods.containers().stream().map(Container::id).map(ContainerId::value),
                sandboxesLeftAlone.stream().map(SandboxPlan::id).map(SandboxId::value),
                containersLeftAlone.stream().map(ContainerPlan::id).map(ContainerId::value))
            .flatMap(ids -> ids)
            .collect(Collectors.toSet());
    for (Path parent :
        List.of(
            configuration.runDirectory().resolve("containers"),
            configuration.runDirectory().resolve("sandboxes"))) {
      children(parent).stream()
          .filter(directory -> !known.contains(directory.getFileName().toString()))
          .forEach(directory -> attempt(directory.toString(), () -> sweep(directory)));
    }
    Stream.concat(
            records.containersWithoutRecord().stream(), records.sandboxesWithoutRecord().stream())
        .forEach(directory -> attempt(directory.toString(), () -> sweep(directory)));
  }

  private void sweep(Path directory) {
    measures.leftoverRemoved();
    StoryEvent.LEFTOVER_REMOVED.on(LOG).log("{} belongs to nobody; it is removed", directory);
    MountInfo.all().stream()
        .map(MountInfo::target)
        .filter(target -> target.startsWith(directory))
        .sorted(Comparator.reverseOrder())
        .forEach(Mounts::detach);
    DurableFiles.deleteTree(directory);
  }

  private static List<Path> children(Path parent) {
    if (!Files.isDirectory(parent)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(parent)) {
      return entries.toList();
    } catch (IOException failure) {
      LOG.warn("could not list {}: {}", parent, StageletException.reason(failure));
      return List.of();
    }
  }

  private void attempt(String what, Runnable repair) {
    try {
      repair.run();
    } catch (RuntimeException failure) {
      measures.repairFailed();
      StoryEvent.RECOVERY_FAILED
          .on(LOG)
          .setCause(failure)
          .log("could not bring {} in order: {}", what, StageletException.reason(failure));
    }
  }

  private static void damaged(StageletException failure) {
    StoryEvent.RECORD_DAMAGED.on(LOG).log("{}", StageletException.reason(failure));
  }

  /** Hears of changes from every handler. */
  List<AutoCloseable> listen() {
    Stage1Listener listener = listener();
    return handlers.usable().values().stream()
        .map((Stage1 stage1) -> stage1.listen(listener))
        .toList();
  }
}
