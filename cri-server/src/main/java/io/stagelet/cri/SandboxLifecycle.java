package io.stagelet.cri;

import io.stagelet.cri.measure.Measures;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs, stops and removes sandboxes. */
final class SandboxLifecycle {
  private static final Logger LOG = LoggerFactory.getLogger(SandboxLifecycle.class);

  private static final Set<PosixFilePermission> PASSED =
      PosixFilePermissions.fromString("rwx--x--x");
  private static final long SHM_SIZE = 64L << 20;

  private final Configuration configuration;
  private final Handlers handlers;
  private final Pods pods;
  private final Records records;
  private final SandboxFiles files;
  private final Cni cni;
  private final PodRanges podRanges;
  private final Selinux selinux;
  private final ContainerLifecycle containers;
  private final Ids ids;
  private final Clock clock;
  private final boolean mapsIds;
  private final LifeEvents events;
  private final Measures measures;
  private final Faults faults;
  private final UnderWay<SandboxRecord.PodKey, Sandbox> running = new UnderWay<>();

  SandboxLifecycle(
      Configuration configuration,
      Handlers handlers,
      Pods pods,
      Records records,
      SandboxFiles files,
      Cni cni,
      PodRanges podRanges,
      Selinux selinux,
      ContainerLifecycle containers,
      Ids ids,
      Clock clock,
      boolean mapsIds,
      LifeEvents events,
      Measures measures,
      Faults faults) {
    this.configuration = configuration;
    this.handlers = handlers;
    this.pods = pods;
    this.records = records;
    this.files = files;
    this.cni = cni;
    this.podRanges = podRanges;
    this.selinux = selinux;
    this.containers = containers;
    this.ids = ids;
    this.clock = clock;
    this.mapsIds = mapsIds;
    this.events = events;
    this.measures = measures;
    this.faults = faults;
  }

  /**
   * Makes the sandbox that is asked for, or gives the one that was made for the same pod and
   * attempt: kubelet repeats a call whose answer it did not get.
   */
  Sandbox run(SandboxRequest request) {
    return running.once(
        request.key(),
        () ->
            pods.sandboxes().stream()
                .filter(sandbox -> sandbox.record().key().equals(request.key()))
                .filter(sandbox -> sandbox.record().phase() == SandboxRecord.Phase.READY)
                .findFirst()
                .orElseGet(() -> make(request)));
  }

  private Sandbox make(SandboxRequest request) {
    String handler = handlers.choose(request);
    Stage1 stage1 = handlers.stage1(handler);
    if (request.ids().isPresent()
        && !(stage1.features().contains(Stage1.Feature.USER_NAMESPACES) && mapsIds)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "pod %s wants a user namespace, which handler '%s' cannot give it: %s"
              .formatted(
                  request.key(),
                  handler,
                  mapsIds
                      ? "its runtime knows no idmapped mounts"
                      : "the image store's filesystem cannot be mounted with other ids"));
    }
    SandboxPlan plan = plan(request);
    Optional<CniAttachment> network =
        plan.networkNamespace()
            .map(_ ->
                cni.planned(
                    cni.network(handler),
                    request.portMappings(),
                    CniCapabilities.arguments(request, podRanges.ranges())));
    SandboxRecord record =
        new SandboxRecord(
            plan,
            handler,
            request.runtimeHandler(),
            request.key(),
            SandboxRecord.Phase.CREATING,
            clock.instant(),
            request.labels(),
            request.annotations(),
            new SandboxRecord.NamespaceModes(
                request.network().name(), request.pid().name(), request.ipc().name()),
            network,
            request.logDirectory(),
            request.resources());
    Sandbox sandbox = new Sandbox(record, stage1);
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("delete the record of " + plan.id(), () -> records.delete(plan.id()));
      records.store(record);
      faults.at(FaultPoint.RUN_RECORDED);
      files.write(plan, request.dns());
      faults.at(FaultPoint.RUN_FILES_WRITTEN);
      undo.push(
          "delete " + plan.runDirectory(), () -> DurableFiles.deleteTree(plan.runDirectory()));
      directory(plan.runDirectory());
      faults.at(FaultPoint.RUN_DIRECTORY_MADE);
      measures.stage(
          "RunPodSandbox", "unit", request.key().toString(), () -> stage1.startSandbox(plan));
      undo.push("stop " + sandbox.unit(), () -> stage1.stopSandbox(plan));
      stage1.update(plan, request.resources().total());
      if (network.isPresent()) {
        Cni.Target target = target(record);
        record =
            record.with(
                Optional.of(
                    measures.stage(
                        "RunPodSandbox",
                        "network",
                        request.key().toString(),
                        () -> cni.attach(target, network.get()))));
        faults.at(FaultPoint.RUN_NETWORK_ATTACHED);
      }
      record = record.with(SandboxRecord.Phase.READY);
      records.store(record);
      faults.at(FaultPoint.RUN_READY);
      sandbox.become(record);
      pods.add(sandbox);
      events.tell(LifeEvents.Kind.CREATED, sandbox);
      events.tell(LifeEvents.Kind.STARTED, sandbox);
      undo.keep();
    }
    StoryEvent.SANDBOX_READY
        .on(LOG)
        .addKeyValue("POD_ID", plan.id())
        .addKeyValue("OBJECT_SYSTEMD_UNIT", sandbox.unit())
        .log(
            "pod {}/{} is up as {}{}",
            plan.namespace(),
            plan.name(),
            sandbox.unit(),
            record.addresses().isEmpty()
                ? ""
                : ", address " + String.join(" and ", record.addresses()));
    return sandbox;
  }

  /** Kills what runs in it and takes it down, without grace; fine when it is down, or not known. */
  void stop(Sandbox sandbox) {
    for (Container container : pods.containersOf(sandbox)) {
      containers.kill(container);
    }
    faults.at(FaultPoint.STOP_POD_CONTAINERS_KILLED);
    sandbox.lock().lock();
    try {
      takeDown(sandbox);
    } finally {
      sandbox.lock().unlock();
    }
  }

  /**
   * Takes note of what the pod may use now. kubelet has changed its own slice before it tells; a
   * slice of the sandbox's own is changed here.
   */
  void update(Sandbox sandbox, PodResources resources) {
    sandbox.lock().lock();
    try {
      PodResources changed = sandbox.record().resources().changedBy(resources);
      if (sandbox.record().phase() == SandboxRecord.Phase.READY) {
        sandbox.stage1().update(sandbox.plan(), changed.total());
      }
      become(sandbox, sandbox.record().with(changed));
    } finally {
      sandbox.lock().unlock();
    }
  }

  /** Stops it, removes its containers, and forgets it. */
  void remove(Sandbox sandbox) {
    stop(sandbox);
    for (Container container : pods.containersOf(sandbox)) {
      containers.remove(container);
    }
    faults.at(FaultPoint.REMOVE_POD_CONTAINERS_REMOVED);
    sandbox.lock().lock();
    try {
      forget(sandbox.record());
      if (pods.sandboxByUnit(sandbox.unit()).isPresent()) {
        pods.remove(sandbox);
        events.tell(LifeEvents.Kind.DELETED, sandbox);
      }
    } finally {
      sandbox.lock().unlock();
    }
    StoryEvent.SANDBOX_REMOVED.on(LOG).log("pod {} is removed", name(sandbox));
  }

  /** Looks whether it is still up, after its unit has changed. */
  void reconcile(Sandbox sandbox) {
    sandbox.lock().lock();
    try {
      if (sandbox.record().phase() == SandboxRecord.Phase.READY
          && !sandbox.stage1().isUp(sandbox.plan())) {
        StoryEvent.SANDBOX_DOWN
            .on(LOG)
            .log(
                "pod {} is down: its unit {} was stopped from outside",
                name(sandbox),
                sandbox.unit());
        become(sandbox, sandbox.record().with(SandboxRecord.Phase.NOT_READY));
      }
    } finally {
      sandbox.lock().unlock();
    }
  }

  /**
   * Makes record and systemd say the same as memory.
   *
   * @throws StageletException when the record cannot be written
   */
  void settleAgain(Sandbox sandbox) {
    sandbox.lock().lock();
    try {
      reconcile(sandbox);
      if (sandbox.record().phase() == SandboxRecord.Phase.NOT_READY
          && sandbox.stage1().isUp(sandbox.plan())) {
        takeDown(sandbox);
      }
      records.store(sandbox.record());
    } finally {
      sandbox.lock().unlock();
    }
  }

  /**
   * Undoes what is left of a sandbox that nobody makes any more.
   *
   * @param record as it was on disk before this call
   */
  void undoIfAbandoned(SandboxRecord record) {
    // whoever makes it is known before its record is, and knows it in memory before he is through
    if (record.phase() != SandboxRecord.Phase.CREATING
        || running.has(record.key())
        || pods.findSandbox(record.plan().id().value()).isPresent()) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "sandbox %s is being made".formatted(record.plan().id().shortened()));
    }
    undo(record);
  }

  /** Undoes what a crash left of a sandbox that was being made. */
  void undo(SandboxRecord record) {
    takeDown(new Sandbox(record, handlers.ofExisting(record.handler())));
    forget(record);
  }

  /**
   * The network goes first, while its namespace is there. When a plugin fails, the sandbox stays as
   * it is for kubelet's next try; its processes are gone already.
   */
  private void takeDown(Sandbox sandbox) {
    SandboxRecord record = sandbox.record();
    if (record.network().isPresent()) {
      Cni.Target target = target(record);
      CniAttachment attachment = record.network().get();
      measures.stage(
          "StopPodSandbox", "network", name(sandbox), () -> cni.detach(target, attachment));
      record = record.with(Optional.empty());
      faults.at(FaultPoint.STOP_POD_NETWORK_DETACHED);
    }
    measures.stage(
        "StopPodSandbox",
        "unit",
        name(sandbox),
        () -> sandbox.stage1().stopSandbox(sandbox.plan()));
    faults.at(FaultPoint.STOP_POD_NAMESPACES_RELEASED);
    if (!record.equals(sandbox.record()) || record.phase() != SandboxRecord.Phase.NOT_READY) {
      become(sandbox, record.with(SandboxRecord.Phase.NOT_READY));
      faults.at(FaultPoint.STOP_POD_RECORDED);
      StoryEvent.SANDBOX_STOPPED.on(LOG).log("pod {} is stopped", name(sandbox));
    }
  }

  private static String name(Sandbox sandbox) {
    return sandbox.plan().namespace() + "/" + sandbox.plan().name();
  }

  /**
   * A sandbox that is down is down whether or not it can be written down: on a full disk it must be
   * possible to remove it. A restart of the server finds out again.
   */
  private void become(Sandbox sandbox, SandboxRecord record) {
    boolean wasUp = sandbox.record().phase() == SandboxRecord.Phase.READY;
    try {
      records.store(record);
    } catch (StageletException failure) {
      StoryEvent.RECORD_NOT_WRITTEN
          .on(LOG)
          .log(
              "what became of pod {} could not be written down: {}",
              name(sandbox),
              StageletException.reason(failure));
    }
    sandbox.become(record);
    if (wasUp && record.phase() == SandboxRecord.Phase.NOT_READY) {
      events.tell(LifeEvents.Kind.STOPPED, sandbox);
    }
  }

  private void forget(SandboxRecord record) {
    DurableFiles.deleteTree(record.plan().runDirectory());
    faults.at(FaultPoint.REMOVE_POD_DIRECTORY_DELETED);
    records.delete(record.plan().id());
    faults.at(FaultPoint.REMOVE_POD_RECORD_DELETED);
  }

  private SandboxPlan plan(SandboxRequest request) {
    if (request.pid() == SandboxRequest.NamespaceMode.TARGET) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "a sandbox's PID namespace cannot be another container's");
    }
    boolean hostNetwork = request.network() == SandboxRequest.NamespaceMode.NODE;
    SandboxId id = ids.sandbox();
    Path runDirectory = configuration.runDirectory().resolve("sandboxes").resolve(id.value());
    return new SandboxPlan(
        id,
        request.key().namespace(),
        request.key().name(),
        slice(request.cgroupParent(), id),
        runDirectory,
        hostNetwork || request.hostname().isEmpty()
            ? Optional.empty()
            : Optional.of(request.hostname()),
        hostNetwork ? Optional.empty() : Optional.of(runDirectory.resolve("ns").resolve("net")),
        request.ipc() == SandboxRequest.NamespaceMode.NODE,
        request.pid() == SandboxRequest.NamespaceMode.POD,
        request.sysctls(),
        SHM_SIZE,
        request.ids(),
        selinux.ofSandbox(
            request.selinux(),
            request.privileged(),
            pods.sandboxes().stream()
                .flatMap(sandbox -> sandbox.plan().selinux().stream())
                .map(Selinux::level)
                .collect(Collectors.toSet())));
  }

  /**
   * kubelet with the systemd driver names a slice, with or without the path of the slices above it.
   */
  private static String slice(String cgroupParent, SandboxId id) {
    if (cgroupParent.isEmpty()) {
      return SandboxPlan.ownSlice(id);
    }
    String name = cgroupParent.substring(cgroupParent.lastIndexOf('/') + 1);
    if (!name.endsWith(".slice")) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "cgroup_parent '%s' is not a slice; set kubelet's cgroupDriver to systemd"
              .formatted(cgroupParent));
    }
    return name;
  }

  /**
   * Makes a directory on the tmpfs. The roots of user namespaces pass it and the one that it is in,
   * on their way to what is theirs; nobody but root sees what is there.
   */
  static void directory(Path path) {
    try {
      Files.createDirectories(path);
      Files.setPosixFilePermissions(path, PASSED);
      Files.setPosixFilePermissions(path.resolveSibling("."), PASSED);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
  }

  /** For whom a plugin is called. */
  static Cni.Target target(SandboxRecord record) {
    return new Cni.Target(
        record.plan().id().value(), record.plan().networkNamespace().orElseThrow(), record.key());
  }
}
