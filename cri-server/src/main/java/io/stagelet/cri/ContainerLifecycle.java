package io.stagelet.cri;

import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.streaming.ContainerInputs;
import io.stagelet.journal.ContainerOutput;
import io.stagelet.journal.Relay;
import io.stagelet.journal.Story;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.CheckpointArchive;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.RootFilesystems;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SelinuxLabels;
import io.stagelet.stage0.spi.StartFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Creates, starts, stops and removes containers, and notes how they ended. */
final class ContainerLifecycle {
  private static final Logger LOG = LoggerFactory.getLogger(ContainerLifecycle.class);

  /**
   * How long output is still awaited after a container's end: only a process that left its cgroup
   * can hold it open.
   */
  static final Duration OUTPUT_GRACE = Duration.ofSeconds(2);

  /**
   * How long SIGKILL may take: a process in an uninterruptible sleep (a dead network filesystem)
   * outlives it.
   */
  private static final Duration KILL_GRACE = Duration.ofSeconds(60);

  /** Longer than an end takes, as a rule. */
  private static final Duration KILL_LOOK = Duration.ofSeconds(5);

  private static final int EXIT_CANNOT_START = 128;
  private static final String VOLUMES = "volumes";
  private static final String RESTORE = "restore";

  /** What a container has from its pod whether or not it is asked for. */
  private static final Set<String> OF_THE_POD =
      Set.of("/dev/shm", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts");

  private static final int EXIT_UNKNOWN = 255;
  private static final int BY_SIGNAL = 128;
  private static final int BY_SIGTERM = BY_SIGNAL + 15;
  private static final int BY_SIGKILL = BY_SIGNAL + 9;

  private record Key(SandboxId sandbox, String name, int attempt) {}

  private final LiveConfiguration configuration;
  private final Pods pods;
  private final Records records;
  private final ImageService images;
  private final RootFilesystems rootFilesystems;
  private final Relay relay;
  private final ContainerInputs inputs;
  private final ContainerPlanner planner;
  private final Selinux selinux;
  private final SandboxFiles files;
  private final Ids ids;
  private final Clock clock;
  private final LifeEvents events;
  private final Measures measures;
  private final Faults faults;
  private final UnderWay<Key, Container> creating = new UnderWay<>();

  ContainerLifecycle(
      LiveConfiguration configuration,
      Pods pods,
      Records records,
      ImageService images,
      RootFilesystems rootFilesystems,
      Relay relay,
      ContainerInputs inputs,
      ContainerPlanner planner,
      Selinux selinux,
      SandboxFiles files,
      Ids ids,
      Clock clock,
      LifeEvents events,
      Measures measures,
      Faults faults) {
    this.configuration = configuration;
    this.pods = pods;
    this.records = records;
    this.images = images;
    this.rootFilesystems = rootFilesystems;
    this.relay = relay;
    this.inputs = inputs;
    this.planner = planner;
    this.selinux = selinux;
    this.files = files;
    this.ids = ids;
    this.clock = clock;
    this.events = events;
    this.measures = measures;
    this.faults = faults;
  }

  /**
   * Makes the container that is asked for, or gives the one made for the same name and attempt and
   * not started yet.
   */
  Container create(ContainerRequest request) {
    Sandbox sandbox = pods.sandbox(request.sandbox().value());
    return creating.once(
        new Key(sandbox.id(), request.name(), request.attempt()),
        () -> locked(sandbox, () -> make(request, sandbox)));
  }

  private Container make(ContainerRequest asked, Sandbox sandbox) {
    Optional<Container> earlier =
        pods.containersOf(sandbox).stream()
            .filter(other ->
                other.plan().name().equals(asked.name())
                    && other.record().attempt() == asked.attempt())
            .findFirst();
    if (earlier.isPresent()) {
      return joined(earlier.get(), asked);
    }
    if (sandbox.record().phase() != SandboxRecord.Phase.READY) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "container %s cannot be made: its sandbox %s is not ready (see systemctl status %s)"
              .formatted(asked.name(), sandbox.id().shortened(), sandbox.unit()));
    }
    ContainerId id = ids.container();
    Path state = records.directory(id);
    ContainerPlanner.Places places = places(id);
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("delete " + state, () -> records.delete(id));
      undo.push("delete " + places.directory(), () -> DurableFiles.deleteTree(places.directory()));
      Optional<Restoring> restoring = restoring(asked, sandbox, state);
      ContainerRequest request = restoring.map(Restoring::request).orElse(asked);
      Image image = image(request);
      SandboxLifecycle.directory(places.directory());
      directories(places.rootfs(), state.resolve("upper"), state.resolve("work"));
      restoring.ifPresent(checkpoint ->
          CheckpointArchive.applyWrittenFiles(checkpoint.directory(), state.resolve("upper")));
      faults.at(FaultPoint.CREATE_DIRECTORIES_MADE);
      undo.push("unmount " + places.rootfs(), () -> rootFilesystems.unmount(places.rootfs()));
      Optional<SelinuxLabels> labels =
          selinux.ofContainer(
              sandbox.plan(), request.security().selinux(), request.security().privileged());
      measures.stage(
          "CreateContainer",
          "root filesystem",
          request.name(),
          () ->
              rootFilesystems.mount(
                  image,
                  places.rootfs(),
                  state.resolve("upper"),
                  state.resolve("work"),
                  sandbox.plan().ids(),
                  labels.map(SelinuxLabels::files)));
      faults.at(FaultPoint.CREATE_ROOT_MOUNTED);
      ContainerRecord planned =
          planner.record(
              id,
              request.with(mountVolumes(request, sandbox, places.directory(), labels, undo)),
              image,
              sandbox.record(),
              files.mounts(sandbox.id()),
              places,
              targetUnit(request, sandbox),
              labels,
              clock.instant());
      ContainerRecord record =
          restoring
              .map(checkpoint -> planned.with(planned.plan().restoring(checkpoint.directory())))
              .orElse(planned);
      undo.push("forget " + id.shortened(), () -> sandbox.stage1().removeContainer(record.plan()));
      measures.stage(
          "CreateContainer",
          "bundle",
          request.name(),
          () -> sandbox.stage1().prepareContainer(record.plan()));
      faults.at(FaultPoint.CREATE_PREPARED);
      records.store(record);
      faults.at(FaultPoint.CREATE_RECORDED);
      Container container = new Container(record, sandbox);
      pods.add(container);
      events.tell(LifeEvents.Kind.CREATED, container);
      undo.keep();
      Story.about(
          StoryFields.of(container),
          () ->
              StoryEvent.CONTAINER_MADE
                  .on(LOG)
                  .log("container {} is made ({})", request.name(), id.shortened()));
      return container;
    }
  }

  private Image image(ContainerRequest request) {
    return images
        .find(request.image())
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.NOT_FOUND,
                "container %s cannot be made: the image %s (asked for as '%s') is not here; pull it first"
                    .formatted(request.name(), request.image(), request.userImage())));
  }

  /**
   * The processes of a checkpoint that are to go on in a container.
   *
   * @param directory what the archive was unpacked to
   * @param request with the image that the archive's container was made from
   */
  private record Restoring(Path directory, ContainerRequest request) {}

  /** An image that is a path is the archive of a checkpoint, as with other runtimes. */
  private static Optional<Restoring> restoring(
      ContainerRequest request, Sandbox sandbox, Path state) {
    if (!request.image().startsWith("/")) {
      return Optional.empty();
    }
    sandbox.stage1().checkRestores(request.name());
    Path directory = state.resolve(RESTORE);
    CheckpointArchive.Description description =
        CheckpointArchive.unpack(Path.of(request.image()), directory);
    Set<String> asked =
        request.mounts().stream()
            .map(ContainerRecord.MountRecord::containerPath)
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> had = new TreeSet<>(description.mounts());
    had.removeAll(OF_THE_POD);
    asked.removeAll(OF_THE_POD);
    if (!asked.equals(had)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "container %s cannot be restored from %s: it must have the same mounts as before, which were %s, and not %s"
              .formatted(request.name(), request.image(), had, asked));
    }
    return Optional.of(new Restoring(directory, request.restoring(description)));
  }

  /** Mounts the image volumes, and gives all mounts back with the places where they are. */
  private List<ContainerRecord.MountRecord> mountVolumes(
      ContainerRequest request,
      Sandbox sandbox,
      Path directory,
      Optional<SelinuxLabels> labels,
      CleanupStack undo) {
    List<ContainerRecord.MountRecord> mounts = new ArrayList<>();
    for (ContainerRecord.MountRecord mount : request.mounts()) {
      if (mount.image().isEmpty()) {
        mounts.add(mount);
        continue;
      }
      ContainerRecord.ImageVolume volume = mount.image().get();
      Image image =
          images
              .find(volume.image())
              .orElseThrow(() ->
                  new StageletException(
                      ErrorCode.NOT_FOUND,
                      "ImageVolumeMountFailed: the image %s, to be mounted at %s of container %s, is not here; pull it first"
                          .formatted(volume.image(), mount.containerPath(), request.name())));
      Path target = directory.resolve(VOLUMES).resolve(String.valueOf(mounts.size()));
      directories(directory.resolve(VOLUMES));
      undo.push("unmount " + target, () -> rootFilesystems.unmount(target));
      rootFilesystems.mountReadOnly(
          image, target, volume.subPath(), sandbox.plan().ids(), labels.map(SelinuxLabels::files));
      faults.at(FaultPoint.CREATE_VOLUME_MOUNTED);
      mounts.add(
          mount.at(
              target.toString(),
              Optional.of(
                  new ContainerRecord.ImageVolume(
                      volume.image(),
                      volume.userImage(),
                      image.id().toString(),
                      volume.subPath()))));
    }
    return mounts;
  }

  private Optional<String> targetUnit(ContainerRequest request, Sandbox sandbox) {
    if (request.security().pid() != SandboxRequest.NamespaceMode.TARGET) {
      return Optional.empty();
    }
    String id = request.security().targetContainer();
    return Optional.of(
        pods.findContainer(id)
            .filter(target -> target.sandbox() == sandbox)
            .filter(target -> target.record().life() instanceof ContainerRecord.Running)
            .orElseThrow(() ->
                new StageletException(
                    ErrorCode.INVALID_ARGUMENT,
                    "container %s is to share the processes of container '%s', which is not a running one of its pod"
                        .formatted(request.name(), id)))
            .unit());
  }

  private static Container joined(Container earlier, ContainerRequest request) {
    if (earlier.record().life() instanceof ContainerRecord.Created) {
      return earlier;
    }
    throw new StageletException(
        ErrorCode.ALREADY_EXISTS,
        "container %s, attempt %d, was made and started already: it is %s"
            .formatted(request.name(), request.attempt(), earlier.id().shortened()));
  }

  /** Starts it; fine when it runs already. */
  void start(Container container) {
    locked(
        container.sandbox(),
        () -> {
          switch (container.record().life()) {
            case ContainerRecord.Created _ -> launch(container);
            case ContainerRecord.Running _ ->
                LOG.debug("container {} runs already", container.id().shortened());
            case ContainerRecord.Exited exited ->
                throw new StageletException(
                    ErrorCode.FAILED_PRECONDITION,
                    "container %s has ended already, with exit code %d (%s)"
                        .formatted(container.id().shortened(), exited.exitCode(), exited.reason()));
          }
          return container;
        });
  }

  private void launch(Container container) {
    ContainerPlan plan = container.plan();
    if (container.sandbox().record().phase() != SandboxRecord.Phase.READY) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "container %s cannot be started: its sandbox is not ready (see systemctl status %s)"
              .formatted(plan.name(), container.sandbox().unit()));
    }
    String id = plan.id().value();
    if (!plan.process().terminal()) {
      relay.open(output(container));
    }
    faults.at(FaultPoint.START_OUTPUT_OPEN);
    try {
      plan.stdin().ifPresent(fifo -> inputs.open(id, fifo));
      faults.at(FaultPoint.START_INPUT_OPEN);
      // on disk only once it runs: after a crash in between, systemd says whether it was started
      container.become(container.record().with(new ContainerRecord.Running(clock.instant())));
      measures.stage(
          "StartContainer",
          "unit",
          plan.name(),
          () -> container.stage1().startContainer(plan, master -> openTerminal(container, master)));
      faults.at(FaultPoint.START_UNIT_RUNS);
      storeOrStop(container);
      faults.at(FaultPoint.START_RECORDED);
      inputs.started(id);
      plan.checkpoint().ifPresent(ContainerLifecycle::forgetCheckpoint);
    } catch (StartFailure failure) {
      inputs.forget(id);
      relay.finish(plan.id().value(), Duration.ZERO);
      becomeAnyway(
          container,
          container
              .record()
              .with(
                  new ContainerRecord.Exited(
                      EXIT_CANNOT_START,
                      "StartError",
                      StageletException.reason(failure),
                      Optional.empty(),
                      clock.instant())));
      events.tell(LifeEvents.Kind.STOPPED, container);
      throw failure;
    } catch (RuntimeException failure) {
      inputs.forget(id);
      relay.finish(plan.id().value(), Duration.ZERO);
      becomeAnyway(container, container.record().with(new ContainerRecord.Created()));
      throw failure;
    }
    if (container.stage1().state(plan) instanceof ContainerState.Running running) {
      // not worth a write: after a restart systemd tells it again
      container.become(container.record().with(new ContainerRecord.Running(running.startedAt())));
    }
    events.tell(LifeEvents.Kind.STARTED, container);
    StoryEvent.CONTAINER_RUNS.on(LOG).log("container {} runs as {}", plan.name(), container.unit());
  }

  /** Its processes are what it was; if it stays, it goes with the container. */
  private static void forgetCheckpoint(Path directory) {
    try {
      DurableFiles.deleteTree(directory);
    } catch (StageletException failure) {
      LOG.debug("{} stays: {}", directory, StageletException.reason(failure));
    }
  }

  /** What cannot be put on disk does not run on. */
  private void storeOrStop(Container container) {
    try {
      records.store(container.record());
    } catch (StageletException failure) {
      try {
        container.stage1().removeContainer(container.plan());
      } catch (StageletException alsoFailed) {
        failure.addSuppressed(alsoFailed);
      }
      throw failure;
    }
  }

  private void openTerminal(Container container, int master) {
    String id = container.id().value();
    inputs.openTerminal(id, master);
    relay.openTerminal(output(container), master);
  }

  /** Changes what it may use; what is not said stays as it is. */
  void update(Container container, ContainerPlan.Resources resources) {
    locked(
        container.sandbox(),
        () -> {
          if (container.record().life() instanceof ContainerRecord.Exited) {
            throw new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "the resources of container %s cannot be changed: it has ended"
                    .formatted(container.id().shortened()));
          }
          ContainerPlan changed =
              container.plan().with(container.plan().resources().changedBy(resources));
          container.stage1().update(changed);
          become(container, container.record().with(changed));
          return container;
        });
  }

  /** Writes its state into an archive, from which others can restore it; it runs on. */
  void checkpoint(Container container, Path archive, Duration limit) {
    locked(
        container.sandbox(),
        () -> {
          new Checkpoint(records, clock).of(container, archive, limit);
          return container;
        });
  }

  /**
   * Asks it to end, and kills it when it has not after {@code timeout}; zero kills at once. Returns
   * when it has ended and its end is on disk. Fine when it has ended already.
   */
  void stop(Container container, Duration timeout) {
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      return;
    }
    if (!timeout.isZero()) {
      if (container.firstToAskItToStop()) {
        StoryEvent.CONTAINER_ASKED_TO_END
            .on(LOG)
            .log(
                "container {} is asked to end ({}), and has {} s until it is killed",
                container.plan().name(),
                Signals.name(container.plan().stopSignal()),
                timeout.toSeconds());
        try {
          container.stage1().signal(container.plan(), container.plan().stopSignal());
        } catch (StageletException failure) {
          container.couldNotBeAsked();
          throw failure;
        }
        faults.at(FaultPoint.STOP_ASKED);
      }
      if (hasEnded(container, timeout)) {
        return;
      }
      StoryEvent.CONTAINER_KILLED
          .on(LOG)
          .log(
              "container {} did not end within {} s after its stop signal and is killed",
              container.plan().name(),
              timeout.toSeconds());
    }
    kill(container);
  }

  /** Kills it and waits for its end; fine when it does not run. */
  void kill(Container container) {
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      return;
    }
    container.killing();
    container.stage1().kill(container.plan());
    faults.at(FaultPoint.STOP_KILLED);
    if (!endsWhenKilled(container)) {
      throw new StageletException(
          ErrorCode.DEADLINE_EXCEEDED,
          "container %s was sent SIGKILL and has not ended after %d s; a process of it hangs in the kernel (see systemctl status %s)"
              .formatted(container.id().shortened(), KILL_GRACE.toSeconds(), container.unit()));
    }
  }

  /** Who waits so long looks by himself now and then: news can be lost, and looking be refused. */
  private boolean endsWhenKilled(Container container) {
    long deadline = System.nanoTime() + KILL_GRACE.toNanos();
    while (!hasEnded(container, KILL_LOOK)) {
      if (System.nanoTime() > deadline) {
        return false;
      }
      try {
        reconcile(container);
      } catch (StageletException failure) {
        LOG.debug("{} cannot be looked at", container.unit(), failure);
      }
    }
    return true;
  }

  private static boolean hasEnded(Container container, Duration timeout) {
    try {
      var _ = container.ended().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException notYet) {
      return false;
    } catch (ExecutionException failure) {
      throw new IllegalStateException("the end of a container does not fail", failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED,
          "the caller went away while container %s was ending"
              .formatted(container.id().shortened()),
          interrupted);
    }
  }

  /** Kills it if it runs, and forgets it. */
  void remove(Container container) {
    kill(container);
    locked(
        container.sandbox(),
        () -> {
          discard(container.plan(), container.stage1()::removeContainer);
          if (pods.containerByUnit(container.unit()).isPresent()) {
            pods.remove(container);
            events.tell(LifeEvents.Kind.DELETED, container);
          }
          return container;
        });
    StoryEvent.CONTAINER_REMOVED.on(LOG).log("container {} is removed", container.plan().name());
  }

  /** Removes what there is of a container on the host; fine when it is gone. */
  void discard(ContainerPlan plan, Consumer<ContainerPlan> forgetUnit) {
    forgetUnit.accept(plan);
    faults.at(FaultPoint.REMOVE_UNIT_GONE);
    inputs.forget(plan.id().value());
    relay.discard(plan.id().value());
    faults.at(FaultPoint.REMOVE_OUTPUT_FORGOTTEN);
    rootFilesystems.unmount(plan.rootfs());
    faults.at(FaultPoint.REMOVE_ROOT_UNMOUNTED);
    plan.mounts().stream()
        .map(ContainerPlan.Mount::source)
        .filter(source -> source.startsWith(plan.directory().resolve(VOLUMES)))
        .forEach(rootFilesystems::unmount);
    faults.at(FaultPoint.REMOVE_VOLUMES_UNMOUNTED);
    DurableFiles.deleteTree(plan.directory());
    faults.at(FaultPoint.REMOVE_DIRECTORY_DELETED);
    records.delete(plan.id());
    faults.at(FaultPoint.REMOVE_RECORD_DELETED);
  }

  /** Looks whether it has ended, after its unit has changed. */
  void reconcile(Container container) {
    locked(
        container.sandbox(),
        () -> {
          if (container.record().life() instanceof ContainerRecord.Running running) {
            switch (container.stage1().state(container.plan())) {
              case ContainerState.Ended ended -> settle(container, exited(container, ended));
              case ContainerState.Absent _ ->
                  settle(
                      container,
                      container.isKilled()
                          ? killed(running, clock.instant())
                          : unknown(running, clock.instant()));
              case ContainerState.Running _, ContainerState.Starting _ ->
                  LOG.trace("container {} runs on", container.id().shortened());
            }
          }
          return container;
        });
  }

  /**
   * Makes record and systemd say the same as memory.
   *
   * @throws StageletException when the record cannot be written
   */
  void settleAgain(Container container) {
    locked(
        container.sandbox(),
        () -> {
          reconcile(container);
          records.store(container.record());
          if (!(container.record().life() instanceof ContainerRecord.Running)
              && !(container.stage1().state(container.plan()) instanceof ContainerState.Absent)) {
            container.stage1().removeContainer(container.plan());
          }
          return container;
        });
  }

  /** Takes up again what a crash cut short after the end of a container was on disk. */
  void finish(Container container, ContainerRecord.Exited exited) {
    locked(
        container.sandbox(),
        () -> {
          settle(container, exited);
          return container;
        });
  }

  /** Takes back what a crash left of a start before systemd had heard of it. */
  void notStarted(Container container) {
    inputs.forget(container.id().value());
    relay.discard(container.id().value());
  }

  /**
   * How it ended is on disk before its unit, which is the only other place that knows it, goes: a
   * crash in between loses nothing, and on a full disk the unit stays and goes on to know it. The
   * unit goes before the relay: what systemd runs after the container still opens its FIFOs.
   */
  private void settle(Container container, ContainerRecord.Exited exited) {
    boolean written = isWritten(container.record().with(exited));
    faults.at(FaultPoint.END_RECORDED);
    if (written) {
      container.stage1().removeContainer(container.plan());
    }
    faults.at(FaultPoint.END_UNIT_GONE);
    inputs.forget(container.id().value());
    if (!relay.finish(container.id().value(), OUTPUT_GRACE)) {
      StoryEvent.OUTPUT_HELD_OPEN
          .on(LOG)
          .log(
              "container {} has ended, but a process outside its cgroup holds its output open; what"
                  + " that says from now on is lost",
              container.id().shortened());
    }
    faults.at(FaultPoint.END_OUTPUT_FINISHED);
    container.become(container.record().with(exited));
    events.tell(LifeEvents.Kind.STOPPED, container);
    StoryEvent event =
        exited.reason().equals("OOMKilled")
            ? StoryEvent.CONTAINER_OUT_OF_MEMORY
            : StoryEvent.CONTAINER_ENDED;
    event
        .on(LOG)
        .addKeyValue("EXIT_CODE", exited.exitCode())
        .log(
            "container {} has ended with exit code {} ({}){}",
            container.plan().name(),
            exited.exitCode(),
            exited.reason(),
            (exited.message().isEmpty() ? "" : ": " + exited.message())
                + sender(container, exited));
  }

  /** For whoever wonders who ended it: kubelet's own signals are told before. */
  private static String sender(Container container, ContainerRecord.Exited exited) {
    boolean ended = exited.exitCode() == BY_SIGKILL || exited.exitCode() == BY_SIGTERM;
    return ended
            && !exited.reason().equals("OOMKilled")
            && !exited.message().isEmpty()
            && !container.wasSentSignal()
        ? ", which this server did not send: somebody stopped its unit, or a process sent it"
        : "";
  }

  /** The end of a container, as systemd tells it. */
  static ContainerRecord.Exited exited(Container container, ContainerState.Ended ended) {
    String reason =
        !container.isKilled() && endedForWantOfMemory(container, ended)
            ? "OOMKilled"
            : ended.exitCode() == 0 ? "Completed" : "Error";
    String message =
        ended.signal() == 0
            ? ""
            : "ended by signal %d (%s)".formatted(ended.signal(), Signals.name(ended.signal()));
    return new ContainerRecord.Exited(
        ended.exitCode(), reason, message, Optional.of(ended.startedAt()), ended.finishedAt());
  }

  /** Without an answer it has an end like any other. */
  private static boolean endedForWantOfMemory(Container container, ContainerState.Ended ended) {
    try {
      return container.stage1().endedForWantOfMemory(container.plan(), ended);
    } catch (StageletException failure) {
      StoryEvent.OUT_OF_MEMORY_UNKNOWN
          .on(LOG)
          .log(
              "whether container {} ended for want of memory cannot be found out: {}",
              container.plan().name(),
              StageletException.reason(failure));
      return false;
    }
  }

  /** The end of a container that this server has killed, and of which systemd knows no other. */
  static ContainerRecord.Exited killed(ContainerRecord.Running running, Instant now) {
    int signal = BY_SIGKILL - BY_SIGNAL;
    return new ContainerRecord.Exited(
        BY_SIGKILL,
        "Error",
        "ended by signal %d (%s)".formatted(signal, Signals.name(signal)),
        Optional.of(running.startedAt()),
        max(now, running.startedAt()));
  }

  /** The end of a container of which systemd knows nothing. */
  static ContainerRecord.Exited unknown(ContainerRecord.Running running, Instant now) {
    return new ContainerRecord.Exited(
        EXIT_UNKNOWN,
        "Unknown",
        "its unit is gone: it was stopped from outside, or the machine was restarted",
        Optional.of(running.startedAt()),
        max(now, running.startedAt()));
  }

  private static Instant max(Instant one, Instant other) {
    return one.isAfter(other) ? one : other;
  }

  /** Where the output of a container goes, and with which fields. */
  ContainerOutput output(Container container) {
    ContainerRecord record = container.record();
    return OutputFields.output(
        record, container.sandbox().record(), container.unit(), configuration.now());
  }

  /** The places of a container, all below the directory on the tmpfs. */
  ContainerPlanner.Places places(ContainerId id) {
    Path directory = configuration.now().runDirectory().resolve("containers").resolve(id.value());
    return new ContainerPlanner.Places(
        directory,
        directory.resolve("rootfs"),
        directory.resolve("stdout"),
        directory.resolve("stderr"),
        directory.resolve("stdin"));
  }

  /**
   * What has happened already is so whether or not it can be written down; a restart of the server
   * then finds the earlier record, and learns from systemd what it does not say.
   */
  private void becomeAnyway(Container container, ContainerRecord record) {
    var _ = isWritten(record);
    container.become(record);
  }

  private boolean isWritten(ContainerRecord record) {
    try {
      records.store(record);
      return true;
    } catch (StageletException failure) {
      StoryEvent.RECORD_NOT_WRITTEN
          .on(LOG)
          .log(
              "what became of container {} could not be written down: {}",
              record.plan().name(),
              StageletException.reason(failure));
      return false;
    }
  }

  private void become(Container container, ContainerRecord record) {
    records.store(record);
    container.become(record);
  }

  private static void directories(Path... paths) {
    for (Path path : paths) {
      try {
        Files.createDirectories(path);
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not make %s: %s".formatted(path, StageletException.reason(failure)),
            failure);
      }
    }
  }

  private static <T> T locked(Sandbox sandbox, Supplier<T> work) {
    sandbox.lock().lock();
    try {
      return work.get();
    } finally {
      sandbox.lock().unlock();
    }
  }
}
