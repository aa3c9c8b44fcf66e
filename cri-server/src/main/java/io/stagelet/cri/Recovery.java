package io.stagelet.cri;

import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.streaming.ContainerInputs;
import io.stagelet.journal.ContainerOutput;
import io.stagelet.journal.DescriptorKeeper;
import io.stagelet.journal.Relay;
import io.stagelet.journal.Story;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Listener;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Brings together, when the server starts, what is on disk, what systemd runs, and what the kernel
 * has mounted: what goes on is taken up again, what ended meanwhile is noted, and what belongs to
 * nobody is cleaned away. One thing that cannot be repaired stops nothing else; it is said in the
 * log.
 */
final class Recovery {
  private static final Logger LOG = LoggerFactory.getLogger(Recovery.class);
  private static final int ID_LENGTH = 64;

  /** How many pods or containers are looked at side by side. */
  private static final int AT_ONCE = 16;

  /** How the relay and the inputs call what systemd keeps for them. */
  private static final String OF_A_CONTAINER = "[0-9a-f]{%d}\\.(out|err|in)".formatted(ID_LENGTH);

  private final Handlers handlers;
  private final Pods pods;
  private final Records records;
  private final SandboxLifecycle sandboxes;
  private final ContainerLifecycle containers;
  private final Relay relay;
  private final ContainerInputs inputs;

  private final Inspection inspection;
  private final Cni cni;
  private final Measures measures;
  private final DescriptorKeeper keeper;

  /** Containers whose records are set aside and whose output is carried nevertheless, by unit. */
  private final Map<String, String> carriedForNobody = new ConcurrentHashMap<>();

  /** Those of which nothing can be told now: nothing of theirs is cleaned away. */
  private final List<SandboxPlan> sandboxesLeftAlone = new CopyOnWriteArrayList<>();

  private final List<ContainerPlan> containersLeftAlone = new CopyOnWriteArrayList<>();

  Recovery(
      Handlers handlers,
      Pods pods,
      Records records,
      SandboxLifecycle sandboxes,
      ContainerLifecycle containers,
      Relay relay,
      ContainerInputs inputs,
      Inspection inspection,
      Cni cni,
      Measures measures,
      DescriptorKeeper keeper) {
    this.handlers = handlers;
    this.pods = pods;
    this.records = records;
    this.sandboxes = sandboxes;
    this.containers = containers;
    this.relay = relay;
    this.inputs = inputs;
    this.inspection = inspection;
    this.cni = cni;
    this.measures = measures;
    this.keeper = keeper;
  }

  /**
   * Does it all, once, before the first call is answered.
   *
   * @param read what is recorded
   * @param descriptors those that systemd kept over the restart, by name
   */
  void run(Records.All read, Map<String, Integer> descriptors) {
    List<Finding> damaged = inspection.damaged(read);
    for (Finding finding : damaged) {
      StoryEvent.RECORD_DAMAGED.on(LOG).log("{}", finding.words());
      finding.repair().ifPresent(repair -> attempt(finding.subject(), repair));
    }
    Records.All all = damaged.isEmpty() ? read : records.all();
    together(
        all.sandboxes().records(),
        record ->
            Story.about(
                StoryFields.of(record),
                () -> attempt("sandbox " + record.plan().id().shortened(), () -> recover(record))));
    together(
        all.containers().records(),
        record ->
            Story.about(
                about(record),
                () ->
                    attempt(
                        "container " + record.plan().id().shortened(),
                        () -> recover(record, descriptors))));
    tellOfHandlers();
    Inspection.Known known = known();
    inspection.nobodys(known).forEach(this::repair);
    attempt("the copies of records", records::forgetLostCopies);
    handlers
        .usable()
        .forEach((name, stage1) ->
            attempt("states of handler " + name, () -> stage1.sweep(inspection.leftAlone(known))));
    carrySetAside(known, descriptors);
    forgetUnknown(descriptors);
    attempt("the attachments of networks", () -> cni.collectGarbage(attached()));
    attempt("the addresses of networks", () -> inspection.cutOffLeases().forEach(this::repair));
    StoryEvent.SERVER_RECOVERED
        .on(LOG)
        .log(
            "Stagelet has started; pods found here: {}, containers: {}",
            pods.sandboxes().size(),
            pods.containers().size());
  }

  /** Some at a time, as each asks systemd and waits for its answer; returns when all are done. */
  private static <T> void together(List<T> all, Consumer<T> work) {
    Semaphore turns = new Semaphore(AT_ONCE);
    var _ =
        Ahead.each(
            "recovery",
            all,
            one -> {
              turns.acquireUninterruptibly();
              try {
                work.accept(one);
              } finally {
                turns.release();
              }
              return one;
            });
  }

  private void repair(Finding finding) {
    measures.leftoverRemoved();
    StoryEvent event =
        finding.kind() == Finding.Kind.RECORD_SET_ASIDE
            ? StoryEvent.RECORD_DAMAGED
            : StoryEvent.LEFTOVER_REMOVED;
    event.on(LOG).log("{}: {}", finding.subject(), finding.words());
    if (finding.kind().isRepairedAtStart()) {
      finding.repair().ifPresent(repair -> attempt(finding.subject(), repair));
    }
  }

  /** What tells the lifecycles of changes from now on. */
  Stage1Listener listener() {
    return new Stage1Listener() {
      @Override
      public void changed(String unit) {
        pods.containerByUnit(unit).ifPresent(container -> reconcile(container));
        pods.sandboxByUnit(unit).ifPresent(sandbox -> reconcile(sandbox));
        if (carriedForNobody.containsKey(unit)) {
          inBackground(Map.of("OBJECT_SYSTEMD_UNIT", unit), () -> reconcileSetAside(unit));
        }
      }

      @Override
      public void resynchronize() {
        pods.containers().forEach(container -> reconcile(container));
        pods.sandboxes().forEach(sandbox -> reconcile(sandbox));
        carriedForNobody
            .keySet()
            .forEach(unit ->
                inBackground(Map.of("OBJECT_SYSTEMD_UNIT", unit), () -> reconcileSetAside(unit)));
      }
    };
  }

  /**
   * A container whose record is set aside runs on, and would wait for ever once its pipe is full.
   * What it writes goes to the journal, by its unit's name; where kubelet's file is, was in the
   * record.
   */
  private void carrySetAside(Inspection.Known known, Map<String, Integer> descriptors) {
    Set<String> setAside = records.setAside();
    handlers.all().stream()
        .flatMap(stage1 -> stage1.unknown(known.units()).stream())
        .distinct()
        .forEach(unit ->
            Inspection.idIn(unit, setAside)
                .ifPresent(
                    id -> attempt("the output of " + unit, () -> carry(id, unit, descriptors))));
  }

  private void carry(String id, String unit, Map<String, Integer> descriptors) {
    ContainerPlanner.Places places = containers.places(new ContainerId(id));
    boolean terminal = !Files.exists(places.stdout());
    if (terminal && descriptors.keySet().stream().noneMatch(name -> name.startsWith(id))) {
      return; // a pod's unit, which has no output
    }
    ContainerOutput output =
        new ContainerOutput(
            id,
            places.stdout(),
            places.stderr(),
            Optional.empty(),
            Map.of("OBJECT_SYSTEMD_UNIT", unit, "SYSLOG_IDENTIFIER", unit));
    inputs.adopt(id, terminal, descriptors);
    relay.adopt(terminal ? output.onTerminal() : output, descriptors);
    carriedForNobody.put(unit, id);
    reconcileSetAside(unit);
  }

  private void reconcileSetAside(String unit) {
    boolean isThere =
        handlers.all().stream().anyMatch(stage1 -> stage1.unknown(Set.of()).contains(unit));
    String id = isThere ? null : carriedForNobody.remove(unit);
    if (id != null) {
      inputs.forget(id);
      var _ = relay.finish(id, ContainerLifecycle.OUTPUT_GRACE);
    }
  }

  /** What systemd keeps for containers that are gone would be kept as long as the machine runs. */
  private void forgetUnknown(Map<String, Integer> descriptors) {
    Set<String> known =
        Stream.of(
                pods.containers().stream().map(container -> container.id().value()),
                containersLeftAlone.stream().map(plan -> plan.id().value()),
                carriedForNobody.values().stream())
            .flatMap(ids -> ids)
            .collect(Collectors.toSet());
    descriptors.forEach((name, fd) -> {
      if (name.matches(OF_A_CONTAINER) && !known.contains(name.substring(0, ID_LENGTH))) {
        attempt(
            "the descriptor " + name,
            () -> {
              keeper.forget(name);
              Descriptors.close(fd);
            });
      }
    });
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

  private Inspection.Known known() {
    Set<String> units = new HashSet<>(pods.units());
    for (Stage1 stage1 : handlers.all()) {
      sandboxesLeftAlone.forEach(sandbox -> units.add(stage1.unitOf(sandbox)));
      containersLeftAlone.forEach(container -> units.add(stage1.unitOf(container)));
    }
    return new Inspection.Known(
        units,
        Stream.of(
                pods.sandboxes().stream().map(Sandbox::id).map(SandboxId::value),
                pods.containers().stream().map(Container::id).map(ContainerId::value),
                sandboxesLeftAlone.stream().map(SandboxPlan::id).map(SandboxId::value),
                containersLeftAlone.stream().map(ContainerPlan::id).map(ContainerId::value))
            .flatMap(ids -> ids)
            .collect(Collectors.toSet()));
  }

  /** The sandboxes that have a network, or may have one. */
  private Set<String> attached() {
    return Stream.of(
            pods.sandboxes().stream()
                .filter(sandbox -> sandbox.record().network().isPresent())
                .map(sandbox -> sandbox.id().value()),
            sandboxesLeftAlone.stream().map(SandboxPlan::id).map(SandboxId::value),
            records.setAside().stream())
        .flatMap(ids -> ids)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Their pods are listed, and end when they are told to; for all else kubelet hears why not. */
  private void tellOfHandlers() {
    Map<String, String> refused = handlers.refused();
    pods.sandboxes().stream()
        .map(sandbox -> sandbox.record().handler())
        .filter(refused::containsKey)
        .collect(Collectors.groupingBy(handler -> handler, TreeMap::new, Collectors.counting()))
        .forEach((handler, count) ->
            StoryEvent.RECOVERY_FAILED
                .on(LOG)
                .log(
                    "{} pods of handler '{}' run on, but nothing can be started in them: it cannot be used ({})",
                    count,
                    handler,
                    refused.get(handler)));
  }

  private boolean isLeftAlone(SandboxId sandbox) {
    return sandboxesLeftAlone.stream().anyMatch(plan -> plan.id().equals(sandbox));
  }

  private void recover(SandboxRecord record) {
    Stage1 stage1;
    try {
      stage1 = handlers.ofExisting(record.handler());
    } catch (StageletException failure) {
      sandboxesLeftAlone.add(record.plan());
      throw failure;
    }
    if (record.phase() == SandboxRecord.Phase.CREATING) {
      StoryEvent.SANDBOX_UNDONE
          .on(LOG)
          .log(
              "pod {}/{} was not made to its end when the server ended; what there is of sandbox {} is undone",
              record.key().namespace(),
              record.key().name(),
              record.plan().id().shortened());
      sandboxes.undo(record);
      return;
    }
    Sandbox sandbox = new Sandbox(record, stage1);
    pods.add(sandbox);
    sandboxes.reconcile(sandbox);
  }

  private Map<String, String> about(ContainerRecord record) {
    return pods.findSandbox(record.plan().sandbox().id().value())
        .map(sandbox -> StoryFields.of(new Container(record, sandbox)))
        .orElse(Map.of());
  }

  private void recover(ContainerRecord record, Map<String, Integer> descriptors) {
    SandboxId sandboxId = record.plan().sandbox().id();
    Sandbox sandbox = pods.findSandbox(sandboxId.value()).orElse(null);
    if (sandbox == null && isLeftAlone(sandboxId)) {
      containersLeftAlone.add(record.plan());
      return;
    }
    if (sandbox == null) {
      StoryEvent.LEFTOVER_REMOVED
          .on(LOG, Level.WARN)
          .log(
              "container {} ({}) is of no sandbox that is known; it is removed",
              record.plan().name(),
              record.plan().id().shortened());
      handlers.all().forEach(stage1 -> containers.discard(record.plan(), stage1::removeContainer));
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

  /** Hears of changes from every handler. */
  List<AutoCloseable> listen() {
    Stage1Listener listener = listener();
    return handlers.all().stream().map((Stage1 stage1) -> stage1.listen(listener)).toList();
  }
}
