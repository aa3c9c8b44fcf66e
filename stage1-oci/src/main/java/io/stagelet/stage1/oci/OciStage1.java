package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.limits.DelegatedFiles;
import io.stagelet.limits.Limits;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.ConsoleSocket;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.MountFlag;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.Orphans;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.FaultPoint;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Listener;
import io.stagelet.stage0.spi.StartFailure;
import io.stagelet.units.ActiveState;
import io.stagelet.units.KillWho;
import io.stagelet.units.OutOfMemoryKills;
import io.stagelet.units.ServiceResult;
import io.stagelet.units.TransientUnit;
import io.stagelet.units.UnitEvent;
import io.stagelet.units.UnitException;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitStatus;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/** Pods and containers as units, launched by an OCI runtime. */
final class OciStage1 implements Stage1 {
  private static final Duration JOB_TIMEOUT = Duration.ofSeconds(100);
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");

  /**
   * How long the runtime may take until it hands a terminal over: as long as it may take at all.
   */
  private static final Duration TERMINAL_TIMEOUT = JOB_TIMEOUT;

  private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));

  private static final int SIGKILL = 9;

  private static final int ID_IN_UNIT_NAME = 12;

  private final Units units;
  private final OciRuntime runtime;
  private final Path init;
  private final OciSpec spec;
  private final ObjectMapper json;
  private final Criu criu;
  private final DelegatedFiles delegated = new DelegatedFiles(CGROUPS);
  private final LaunchGroup launchGroup;
  private final Faults faults;

  /** Tells the files and cgroups of this process's execs from those an earlier one left. */
  private final AtomicLong nextExec = new AtomicLong(System.currentTimeMillis());

  /** What execs leave to this process; empty where the runtime leaves none. */
  private final Optional<Orphans> orphans;

  OciStage1(Units units, OciRuntime runtime, Path init, ObjectMapper json, Faults faults) {
    this.orphans = runtime.copiesStreams() ? Optional.of(Orphans.adopt()) : Optional.empty();
    this.units = units;
    this.launchGroup = new LaunchGroup(units, CGROUPS);
    this.runtime = runtime;
    this.init = init;
    this.spec = new OciSpec(json);
    this.json = json;
    this.criu = new Criu(json);
    this.faults = faults;
  }

  @Override
  public Set<Feature> features() {
    Set<Feature> features = EnumSet.noneOf(Feature.class);
    if (runtime.features().mountsRecursivelyReadOnly()) {
      features.add(Feature.RECURSIVE_READ_ONLY_MOUNTS);
    }
    if (runtime.features().mapsIds()) {
      features.add(Feature.USER_NAMESPACES);
    }
    return Set.copyOf(features);
  }

  @Override
  public Optional<String> unusable() {
    return Files.isExecutable(runtime.binary())
        ? Optional.empty()
        : Optional.of("there is no OCI runtime at %s any more".formatted(runtime.binary()));
  }

  @Override
  public String unitOf(SandboxPlan sandbox) {
    return SandboxUnit.name(sandbox).value();
  }

  @Override
  public String unitOf(ContainerPlan container) {
    return ContainerUnit.name(container).value();
  }

  /** What is delegated below it is accounted in it as well. */
  @Override
  public Path cgroup(ContainerPlan container) {
    return CGROUPS
        .resolve(UnitName.of(container.sandbox().slice()).sliceGroup())
        .resolve(unitOf(container));
  }

  @Override
  public void startSandbox(SandboxPlan sandbox) {
    if (sandbox.sharedPid() && !Files.isExecutable(init)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "containers of pod %s/%s share their PID namespace, whose first process is to be %s, which is not there; install catatonit, or name another program as the handler's init"
              .formatted(sandbox.namespace(), sandbox.name(), init));
    }
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("release the namespaces of " + sandbox.id().shortened(), () -> release(sandbox));
      directory(SandboxNamespaces.directory(sandbox));
      makeNamespaces(sandbox);
      faults.at(FaultPoint.RUN_NAMESPACES_MADE);
      if (!sandbox.hostIpc()) {
        Path sharedMemory = SandboxNamespaces.sharedMemory(sandbox);
        directory(sharedMemory);
        Mounts.mount(
            "tmpfs",
            "shm",
            sharedMemory,
            Set.of(MountFlag.NO_SET_USER_ID, MountFlag.NO_DEVICES, MountFlag.NO_EXEC),
            "mode=1777,size=%d%s%s"
                .formatted(
                    sandbox.shmSize(),
                    sandbox
                        .selinux()
                        .map(labels -> ",context=\"%s\"".formatted(labels.files()))
                        .orElse(""),
                    sandbox
                        .ids()
                        .map(ids -> ",uid=%d,gid=%d".formatted(ids.user(0), ids.group(0)))
                        .orElse("")));
        faults.at(FaultPoint.RUN_SHARED_MEMORY_MOUNTED);
      }
      if (sandbox.hasOwnSlice()) {
        undo.push("stop " + sandbox.slice(), () -> stopUnit(UnitName.of(sandbox.slice())));
        startSlice(sandbox);
      }
      undo.push("stop " + unitOf(sandbox), () -> stopUnit(SandboxUnit.name(sandbox)));
      units.start(SandboxUnit.of(sandbox, init), JOB_TIMEOUT);
      faults.at(FaultPoint.RUN_UNIT_STARTED);
      if (sandbox.sharedPid()) {
        pinPidNamespace(sandbox);
        faults.at(FaultPoint.RUN_PID_NAMESPACE_PINNED);
      }
      undo.keep();
    }
  }

  private void startSlice(SandboxPlan sandbox) {
    UnitName slice = UnitName.of(sandbox.slice());
    if (units.status(slice).isEmpty()) {
      units.start(
          TransientUnit.slice(slice)
              .description("Slice of pod %s/%s".formatted(sandbox.namespace(), sandbox.name()))
              .build(),
          JOB_TIMEOUT);
    }
  }

  private static void makeNamespaces(SandboxPlan sandbox) {
    Map<Namespaces.Kind, Path> pins = SandboxNamespaces.pins(sandbox);
    if (pins.isEmpty()) {
      return;
    }
    Namespaces.SetUp setUp =
        () -> {
          sandbox.hostname().ifPresent(Namespaces::hostname);
          if (pins.containsKey(Namespaces.Kind.NETWORK)) {
            Namespaces.loopbackUp();
          }
          sandbox.sysctls().forEach(Namespaces::sysctl);
        };
    if (sandbox.ids().isPresent()) {
      Namespaces.createMapped(sandbox.ids().get(), pins, setUp);
    } else {
      Namespaces.create(pins, setUp);
    }
  }

  /**
   * The unit's main process is unshare(1), whose only child is the first process of the namespace.
   */
  private void pinPidNamespace(SandboxPlan sandbox) {
    UnitName unit = SandboxUnit.name(sandbox);
    int parent = units.status(unit).map(UnitStatus::mainPid).orElse(0);
    try {
      String child =
          KernelFile.text(Path.of("/proc/%d/task/%d/children".formatted(parent, parent)));
      Path pin = SandboxNamespaces.pid(sandbox);
      Files.write(pin, new byte[0]);
      Mounts.bind(Path.of("/proc", child, "ns", "pid"), pin);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "the shared PID namespace of %s cannot be had: its first process is gone (%s)"
              .formatted(unit, StageletException.reason(failure)),
          failure);
    }
  }

  @Override
  public void stopSandbox(SandboxPlan sandbox) {
    stopUnit(SandboxUnit.name(sandbox));
    faults.at(FaultPoint.STOP_POD_UNIT_STOPPED);
    if (sandbox.hasOwnSlice()) {
      stopUnit(UnitName.of(sandbox.slice()));
    }
    release(sandbox);
  }

  private static void release(SandboxPlan sandbox) {
    SandboxNamespaces.pins(sandbox).values().forEach(Namespaces::unpin);
    if (sandbox.sharedPid()) {
      Namespaces.unpin(SandboxNamespaces.pid(sandbox));
    }
    Mounts.detach(SandboxNamespaces.sharedMemory(sandbox));
  }

  @Override
  public boolean isUp(SandboxPlan sandbox) {
    return units
        .status(SandboxUnit.name(sandbox))
        .filter(status -> status.activeState() == ActiveState.ACTIVE)
        .isPresent();
  }

  @Override
  public void prepareContainer(ContainerPlan container) {
    String cgroup = "%s/%s".formatted(cgroupOf(container.sandbox().slice()), unitOf(container));
    runtime.check();
    checkMounts(container);
    if (container.checkpoint().isPresent()) {
      checkRestores(container.name());
      Criu.check("container %s cannot be restored".formatted(container.name()), container);
    }
    // refused here rather than by its start, which kubelet repeats
    var _ = Limits.of(container.resources());
    container.pids().unit().ifPresent(unit -> pinPids(UnitName.of(unit), container));
    write(container.directory().resolve("config.json"), spec.config(container, cgroup));
    directory(runtime.root());
  }

  /**
   * An option that the runtime does not know would be handed to the filesystem, which ignores it.
   */
  private void checkMounts(ContainerPlan container) {
    for (ContainerPlan.Mount mount : container.mounts()) {
      if (mount.recursiveReadOnly() && !runtime.features().mountsRecursivelyReadOnly()) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "RROUnsupported: the mount %s of container %s is recursive_read_only, which %s cannot do"
                .formatted(mount.destination(), container.name(), runtime.binary()));
      }
      for (String option : mount.options()) {
        if (!runtime.features().mayKnow(option)) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "mount_options: '%s' of the mount %s of container %s is not known to %s"
                  .formatted(option, mount.destination(), container.name(), runtime.binary()));
        }
      }
    }
  }

  /** The target may end before this container starts: its namespace must not, or be another's. */
  private void pinPids(UnitName target, ContainerPlan container) {
    int pid = units.status(target).map(UnitStatus::mainPid).orElse(0);
    if (pid == 0) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "container %s is to share the processes of %s, which does not run"
              .formatted(container.name(), target));
    }
    Path pin = SandboxNamespaces.targetPid(container);
    write(pin, new byte[0]);
    Mounts.bind(Path.of("/proc", String.valueOf(pid), "ns", "pid"), pin);
  }

  @Override
  public void update(ContainerPlan container) {
    Limits limits = Limits.of(container.resources());
    if (state(container) instanceof ContainerState.Running) {
      units.setProperties(ContainerUnit.name(container), limits.properties());
      delegated.write(cgroup(container), limits);
    }
  }

  @Override
  public void update(SandboxPlan sandbox, ContainerPlan.Resources resources) {
    Limits limits = Limits.of(resources);
    if (sandbox.hasOwnSlice()) {
      units.setProperties(UnitName.of(sandbox.slice()), limits.properties());
      delegated.write(CGROUPS.resolve(UnitName.of(sandbox.slice()).sliceGroup()), limits);
    }
  }

  /** From the root of the hierarchy, with a slash before it; empty for the root itself. */
  static String cgroupOf(String slice) {
    String group = UnitName.of(slice).sliceGroup();
    return group.isEmpty() ? "" : "/" + group;
  }

  @Override
  public void startContainer(ContainerPlan container, IntConsumer terminal) {
    if (!container.process().terminal()) {
      launch(container);
      return;
    }
    try (ConsoleSocket console =
        ConsoleSocket.at(ContainerUnit.consoleSocket(container, runtime))) {
      FutureTask<Boolean> handOver =
          new FutureTask<>(() -> {
            terminal.accept(console.receive(TERMINAL_TIMEOUT));
            return true;
          });
      Thread receiver = Thread.ofPlatform().name("terminal").daemon().start(handOver);
      try {
        launch(container);
        handOver.get();
      } catch (ExecutionException failure) {
        stopUnit(ContainerUnit.name(container));
        throw new StartFailure(
            "container %s cannot be started: its terminal cannot be had: %s"
                .formatted(
                    container.name(),
                    StageletException.reason(
                        failure.getCause() == null ? failure : failure.getCause())),
            failure);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        stopUnit(ContainerUnit.name(container));
        throw new StageletException(
            ErrorCode.CANCELLED, "the start of a container was interrupted", interrupted);
      } finally {
        console.cancel();
        join(receiver);
      }
    }
  }

  /** It ends at once: nobody can connect any more. */
  private static void join(Thread receiver) {
    boolean interrupted = false;
    while (receiver.isAlive()) {
      try {
        receiver.join();
      } catch (InterruptedException later) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void launch(ContainerPlan container) {
    try {
      Limits limits = Limits.of(container.resources());
      List<String> writes = new ArrayList<>(delegated.lines(cgroup(container), limits));
      if (runtime.wantsAnEmptyCgroup()) {
        writes.add(launchGroup.entry());
      }
      if (!writes.isEmpty()) {
        write(
            ContainerUnit.cgroupWrites(container),
            (String.join("\n", writes) + "\n").getBytes(StandardCharsets.UTF_8));
      }
      container
          .checkpoint()
          .ifPresent(checkpoint ->
              criu.writeOptions(
                  container,
                  checkpoint,
                  "%s/%s".formatted(cgroupOf(container.sandbox().slice()), unitOf(container))));
      units.start(ContainerUnit.of(container, runtime, limits, !writes.isEmpty()), JOB_TIMEOUT);
    } catch (UnitException failure) {
      refusedByTheKernel(container, failure);
      String complaints =
          Criu.withComplaints(
              RuntimeLog.errors(ContainerUnit.log(container), json),
              container.checkpoint().map(_ -> Criu.log(container)));
      if (complaints.isEmpty()
          && failure.status().map(status -> status.main().ended()).orElse(false)) {
        // it ran, and ended badly before its start was through: an end like any other
        return;
      }
      removeContainer(container);
      throw new StartFailure(
          "container %s cannot be started: %s"
              .formatted(
                  container.name(),
                  complaints.isEmpty()
                      ? StageletException.reason(failure)
                      : "%s says: %s".formatted(runtime.binary().getFileName(), complaints)),
          failure);
    }
  }

  /** What was to be written to the container's cgroup, and was not taken. */
  private void refusedByTheKernel(ContainerPlan container, UnitException failure) {
    Path complaints = ContainerUnit.cgroupComplaints(container);
    String words;
    try {
      words = Files.exists(complaints) ? Files.readString(complaints).strip() : "";
    } catch (IOException unreadable) {
      words = StageletException.reason(unreadable);
    }
    if (!words.isEmpty()) {
      removeContainer(container);
      throw new StartFailure(
          "container %s cannot be started: its control group cannot be had as it is to be: %s"
              .formatted(container.name(), words),
          failure);
    }
  }

  @Override
  public void signal(ContainerPlan container, int signal) {
    kill(container, KillWho.MAIN, signal);
  }

  @Override
  public void kill(ContainerPlan container) {
    kill(container, KillWho.ALL, SIGKILL);
  }

  /**
   * systemd refuses a signal to a unit that has no such process; then it has ended, which is fine.
   */
  private void kill(ContainerPlan container, KillWho who, int signal) {
    try {
      units.kill(ContainerUnit.name(container), who, signal);
    } catch (StageletException refused) {
      if (state(container) instanceof ContainerState.Running) {
        throw refused;
      }
    }
  }

  @Override
  public ContainerState state(ContainerPlan container) {
    Optional<UnitStatus> known = units.status(ContainerUnit.name(container));
    if (known.isEmpty()) {
      return new ContainerState.Absent();
    }
    UnitStatus status = known.get();
    Instant start = status.execMainStart();
    if (status.main().ended()) {
      Instant end = Objects.requireNonNullElseGet(status.execMainExit(), Instant::now);
      return new ContainerState.Ended(
          status.main().exitCode(),
          status.main().signal(),
          status.result() == ServiceResult.OOM_KILL,
          Objects.requireNonNullElse(start, end),
          end);
    }
    return switch (status.activeState()) {
      case ACTIVE, RELOADING, REFRESHING, MAINTENANCE ->
          new ContainerState.Running(
              status.mainPid(), Objects.requireNonNullElseGet(start, Instant::now));
      case ACTIVATING, DEACTIVATING -> new ContainerState.Starting();
      case INACTIVE, FAILED, OTHER -> new ContainerState.Absent();
    };
  }

  /**
   * Units here go on after such a kill, and so do their results; systemd notes each in the journal.
   */
  @Override
  public boolean endedForWantOfMemory(ContainerPlan container, ContainerState.Ended ended) {
    return ended.forWantOfMemory(() -> OutOfMemoryKills.last(ContainerUnit.name(container)));
  }

  /** All of the container stands still: its files are to be those that its processes know. */
  @Override
  public void checkpoint(
      ContainerPlan container, Path directory, Duration limit, Runnable whileItStands) {
    String what = "container %s cannot be checkpointed".formatted(container.name());
    runtime.check();
    var _ = Criu.binary(what);
    Criu.check(what, container);
    if (!(state(container) instanceof ContainerState.Running running)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION, what + ": it does not run any more");
    }
    Freezer freezer = new Freezer(cgroup(container));
    try {
      freezer.freeze();
      criu.dump(container, running.pid(), directory, cgroup(container), limit);
      whileItStands.run();
    } finally {
      freezer.thaw();
    }
  }

  @Override
  public void checkRestores(String container) {
    runtime.check();
    var _ = Criu.binary("container %s cannot be restored".formatted(container));
  }

  @Override
  public Exec exec(ContainerPlan container, ExecPlan process) {
    runtime.check();
    String name = "exec-" + nextExec.getAndIncrement();
    String cgroup = "%s/%s".formatted(cgroupOf(container.sandbox().slice()), unitOf(container));
    return OciExec.open(
        runtime,
        container,
        name,
        spec.process(container, process),
        process.terminal(),
        cgroup,
        json);
  }

  @Override
  public void endLostExecs(ContainerPlan container) {
    // an earlier server may have ended while it wrote a checkpoint
    new Freezer(cgroup(container)).thaw();
    OciExec.endLost(
        runtime,
        container,
        "%s/%s".formatted(cgroupOf(container.sandbox().slice()), unitOf(container)));
  }

  @Override
  public void removeContainer(ContainerPlan container) {
    if (state(container) instanceof ContainerState.Running) {
      kill(container);
    }
    stopUnit(ContainerUnit.name(container));
    runtime.forget(container.id().value());
    if (container.pids().unit().isPresent()) {
      Namespaces.unpin(SandboxNamespaces.targetPid(container));
    }
  }

  private void stopUnit(UnitName unit) {
    units.stop(unit, JOB_TIMEOUT);
    units.resetFailed(unit);
  }

  /** Containers first: a pod's unit takes its containers along, but asks them politely. */
  @Override
  public List<String> unknown(Set<String> knownUnits) {
    return Stream.of("ctr-*-????????????.service", "pod-*-????????????.service")
        .flatMap(pattern -> units.list(List.of(pattern)).stream())
        .map(unit -> unit.name().value())
        .filter(unit -> !knownUnits.contains(unit))
        .toList();
  }

  @Override
  public void sweep(Set<String> knownUnits) {
    unknown(knownUnits).stream()
        .map(UnitName::of)
        .forEach(unit -> {
          if (units.status(unit).filter(status -> status.mainPid() > 0).isPresent()) {
            units.kill(unit, KillWho.ALL, SIGKILL);
          }
          stopUnit(unit);
        });
    runtime.known().stream()
        .filter(id ->
            knownUnits.stream().noneMatch(unit -> unit.contains(id.substring(0, ID_IN_UNIT_NAME))))
        .forEach(runtime::forget);
  }

  @Override
  public AutoCloseable listen(Stage1Listener listener) {
    return units.listen(event -> {
      switch (event) {
        case UnitEvent.Changed(var change) -> listener.changed(change.unit().value());
        case UnitEvent.Removed(UnitName unit) -> listener.changed(unit.value());
        case UnitEvent.Reconnected _ -> listener.resynchronize();
        case UnitEvent.Disconnected _ -> {}
      }
    });
  }

  /** The connection to systemd is the server's, who closes it. */
  @Override
  public void close() {
    orphans.ifPresent(Orphans::close);
  }

  private static void directory(Path path) {
    try {
      Files.createDirectories(path);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(path, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * On a tmpfs nothing has to be flushed; a file cut short by a crash is written anew. Nobody else
   * may read it: environments have secrets.
   */
  static void write(Path file, byte[] content) {
    try (WritableByteChannel channel =
        Files.newByteChannel(
            file,
            Set.of(
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE),
            OWNER_ONLY)) {
      ByteBuffer rest = ByteBuffer.wrap(content);
      while (rest.hasRemaining()) {
        channel.write(rest);
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not write %s: %s".formatted(file, StageletException.reason(failure)),
          failure);
    }
  }
}
