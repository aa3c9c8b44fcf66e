package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.limits.DelegatedFiles;
import io.stagelet.limits.Limits;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.MountPropagation;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.PseudoTerminal;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Listener;
import io.stagelet.stage0.spi.StartFailure;
import io.stagelet.units.ActiveState;
import io.stagelet.units.KillWho;
import io.stagelet.units.OutOfMemoryKills;
import io.stagelet.units.UnitEvent;
import io.stagelet.units.UnitException;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitStatus;
import io.stagelet.units.UnitSummary;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Pods as machines of systemd-nspawn, containers as services of the systemd in them.
 *
 * <pre>
 *   systemd ── pod-….service ── systemd-nspawn ── systemd ── ctr-….service ── the application
 *      ▲                                             ▲
 *      └── Units, over the bus        Units, over its private socket ──┘
 * </pre>
 */
final class NspawnStage1 implements Stage1 {
  private static final Logger LOG = LoggerFactory.getLogger(NspawnStage1.class);
  private static final Duration JOB_TIMEOUT = Duration.ofSeconds(100);
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final Path NSPAWN_STATE = Path.of("/run/systemd/nspawn");
  private static final int SIGKILL = 9;

  /** What systemd exits with when it could not bring a service's process about; systemd.exec(5). */
  private static final int FIRST_STEP = 200;

  private static final int LAST_STEP = 245;
  private static final int NO_PROGRAM = 203;
  private static final Map<Integer, String> STEPS =
      Map.of(
          200,
          "its working directory cannot be entered",
          NO_PROGRAM,
          "its program cannot be executed",
          206,
          "its OOM score cannot be set",
          208,
          "its standard input cannot be opened",
          209,
          "its standard output cannot be opened",
          216,
          "its groups cannot be taken",
          217,
          "its user cannot be taken",
          218,
          "its capabilities cannot be set",
          226,
          "its mounts or namespaces cannot be made",
          228,
          "its system call filter cannot be set");

  private final Units units;
  private final Machines machines;
  private final EntryTools tools;
  private final ObjectMapper json;

  /** Why nothing can be started with it; what runs is watched and ended all the same. */
  private final Optional<StageletException> refusal;

  /** Whether a machine's root, on a tmpfs, can be mounted with other ids (Linux 6.3). */
  private final boolean mapsIds;

  /** Whether a machine has a bus of its own. */
  private final boolean bus;

  private final LostEnds lostEnds = new LostEnds();
  private final DelegatedFiles delegated = new DelegatedFiles(CGROUPS);
  private final AtomicLong nextExec = new AtomicLong(System.currentTimeMillis());

  NspawnStage1(
      Units units,
      EntryTools tools,
      ObjectMapper json,
      boolean mapsIds,
      boolean bus,
      Optional<StageletException> refusal) {
    this.mapsIds = mapsIds;
    this.bus = bus;
    this.refusal = refusal;
    this.units = units;
    this.machines = new Machines();
    this.tools = tools;
    this.json = json;
  }

  @Override
  public Set<Feature> features() {
    return mapsIds
        ? Set.of(Feature.RECURSIVE_READ_ONLY_MOUNTS, Feature.USER_NAMESPACES)
        : Set.of(Feature.RECURSIVE_READ_ONLY_MOUNTS);
  }

  @Override
  public String unitOf(SandboxPlan sandbox) {
    return new Machine(sandbox).unit().value();
  }

  @Override
  public String unitOf(ContainerPlan container) {
    return Machine.unitOf(container).value();
  }

  @Override
  public Path cgroup(ContainerPlan container) {
    return new Machine(container.sandbox()).payload().resolve(unitOf(container));
  }

  @Override
  public Optional<String> unusable() {
    return withoutNspawn();
  }

  static Optional<String> withoutNspawn() {
    return Files.isExecutable(NspawnStage1Provider.NSPAWN)
        ? Optional.empty()
        : Optional.of(
            "there is no %s any more; install the package systemd-container"
                .formatted(NspawnStage1Provider.NSPAWN));
  }

  private void check() {
    if (refusal.isPresent()) {
      throw new StageletException(
          refusal.get().code(), StageletException.reason(refusal.get()), refusal.get());
    }
  }

  @Override
  public void startSandbox(SandboxPlan sandbox) {
    check();
    Machine machine = new Machine(sandbox);
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("release what " + machine.name() + " had mounted", () -> release(machine));
      boolean madeBefore = machine.users().isEmpty();
      if (madeBefore) {
        PodPlace.makeNamespaces(machine);
      } else {
        PodPlace.directory(machine.namespaces());
      }
      PodPlace.mountSharedMemory(machine);
      MachineRoot.write(machine, bus);
      PodPlace.directory(machine.shared());
      Mounts.bind(machine.shared(), machine.shared());
      // what is mounted in it later shows in the machine as well, and nowhere else
      Mounts.propagation(machine.shared(), MountPropagation.PRIVATE);
      Mounts.propagation(machine.shared(), MountPropagation.SHARED);
      if (sandbox.hasOwnSlice()) {
        undo.push("stop " + sandbox.slice(), () -> stopSlice(sandbox));
        PodPlace.startSlice(units, sandbox);
      }
      undo.push("stop " + machine.unit(), () -> stopMachine(machine));
      units.start(MachineUnit.of(machine), JOB_TIMEOUT);
      if (!madeBefore) {
        Namespaces.pin(machines.leaderOf(machine), machine.pins(), () -> PodPlace.setUp(sandbox));
      }
      var _ = machines.systemdOf(machine);
      undo.keep();
    }
    // nothing of the pod depends on it
    Thread.startVirtualThread(() -> register(machine));
  }

  /** systemd-nspawn registers none that shares namespaces that it did not make. */
  private void register(Machine machine) {
    try {
      Optional<Integer> leader = leader(machine);
      if (leader.isPresent()) {
        units.registerMachine(
            machine.name(),
            HexFormat.of().parseHex(machine.machineId()),
            "stagelet",
            leader.get(),
            machine.root());
      }
    } catch (StageletException failure) {
      LOG.debug(
          "machinectl does not know {}: {}", machine.name(), StageletException.reason(failure));
    }
  }

  @Override
  public void stopSandbox(SandboxPlan sandbox) {
    Machine machine = new Machine(sandbox);
    stopMachine(machine);
    if (sandbox.hasOwnSlice()) {
      stopSlice(sandbox);
    }
    release(machine);
  }

  private void stopSlice(SandboxPlan sandbox) {
    PodPlace.stop(units, UnitName.of(sandbox.slice()));
  }

  /** Without grace: its containers have had theirs, and its systemd keeps nothing. */
  private void stopMachine(Machine machine) {
    machines.forget(machine);
    stopNow(machine.unit());
  }

  private void stopNow(UnitName unit) {
    if (units.status(unit).filter(status -> status.mainPid() > 0).isPresent()) {
      try {
        units.kill(unit, KillWho.ALL, SIGKILL);
      } catch (StageletException ended) {
        LOG.debug("{} has ended meanwhile", unit, ended);
      }
    }
    PodPlace.stop(units, unit);
  }

  private static void release(Machine machine) {
    PodPlace.release(machine);
    Mounts.detach(machine.shared());
    forgetState(machine.name());
  }

  /** systemd-nspawn takes these away when it ends by itself. */
  static void forgetState(String name) {
    Stream.of(Path.of("propagate", name), Path.of("unix-export", name), Path.of(name))
        .map(NSPAWN_STATE::resolve)
        .filter(Files::exists)
        .forEach(directory -> {
          // from 262 on, what it has mounted is further below
          Mounts.detachAll(target -> target.startsWith(directory));
          DurableFiles.deleteTree(directory);
        });
  }

  @Override
  public boolean isUp(SandboxPlan sandbox) {
    return units
        .status(new Machine(sandbox).unit())
        .filter(status -> status.activeState() == ActiveState.ACTIVE)
        .isPresent();
  }

  @Override
  public void prepareContainer(ContainerPlan container) {
    check();
    ContainerService.check(container, json);
    Machine machine = new Machine(container.sandbox());
    MachineRoot.addUsers(machine, container.process().user());
    ContainerFiles.makeWorkingDirectory(container);
    ContainerFiles.make(machine, container, ContainerService.seccomp(container, json), tools);
  }

  @Override
  public void startContainer(ContainerPlan container, IntConsumer terminal) {
    Machine machine = new Machine(container.sandbox());
    Units systemd = machines.systemdOf(machine);
    Optional<Path> device = Optional.empty();
    if (container.process().terminal()) {
      PseudoTerminal pair = PseudoTerminal.openOf(machines.root(machine).resolve("dev/pts/ptmx"));
      terminal.accept(pair.master());
      device = Optional.of(pair.device());
      if (container.sandbox().ids().isPresent()) {
        ContainerFiles.giveToRoot(
            machines.root(machine).resolve(Path.of("/").relativize(pair.device())),
            container.sandbox().ids().get());
      }
    }
    UnitName unit = Machine.unitOf(container);
    try {
      systemd.start(ContainerService.of(container, device, json), JOB_TIMEOUT);
      writeLimits(container);
      StartOfProcess.await(
              cgroup(container), () -> systemd.status(unit), pid -> lostEnds.watch(unit, pid))
          .ifPresent(end -> failIfItNeverRan(container, end));
      if (container.sandbox().ids().isPresent()) {
        adjustOomScore(container);
      }
    } catch (UnitException failure) {
      Optional<UnitStatus> status = failure.status();
      if (status.isPresent() && status.get().main().ended()) {
        failIfItNeverRan(container, status.get());
        return;
      }
      removeContainer(container);
      throw notStarted(container, StageletException.reason(failure), failure);
    } catch (StartFailure failure) {
      throw failure;
    } catch (StageletException failure) {
      if (failure.code() != ErrorCode.INVALID_ARGUMENT) {
        throw failure;
      }
      removeContainer(container);
      throw notStarted(container, StageletException.reason(failure), failure);
    }
  }

  /** Only the host's root may make it lower; a machine's systemd goes on without. */
  private void adjustOomScore(ContainerPlan container) {
    if (state(container) instanceof ContainerState.Running running && running.pid() != 0) {
      Path score = Path.of("/proc", String.valueOf(running.pid()), "oom_score_adj");
      try {
        Files.writeString(score, String.valueOf(container.resources().oomScoreAdjust()));
      } catch (IOException ended) {
        LOG.debug("{} is gone with its process", score);
      }
    }
  }

  private void writeLimits(ContainerPlan container) {
    try {
      delegated.writeAsItStarts(cgroup(container), Limits.of(container.resources()));
    } catch (StageletException refused) {
      // the group of one that has ended already is gone
      if (Files.exists(cgroup(container))) {
        throw refused;
      }
    }
  }

  /** One that ran, and ended badly before its start was through, has an end like any other. */
  private void failIfItNeverRan(ContainerPlan container, UnitStatus status) {
    int exit = status.execMainStatus();
    if (exit < FIRST_STEP || exit > LAST_STEP || status.main().signal() != 0) {
      return;
    }
    removeContainer(container);
    ExecPlan process = container.process();
    Optional<String> reason =
        exit == NO_PROGRAM
            ? ProgramSearch.failure(
                container.rootfs(),
                process.arguments().getFirst(),
                process.workingDirectory(),
                ContainerService.environment(container))
            : Optional.empty();
    throw notStarted(
        container,
        "%s (%s, exit code %d of systemd; see journalctl -u %s)"
            .formatted(
                STEPS.getOrDefault(exit, "one of its properties cannot be applied")
                    + reason.map(words -> ": " + words).orElse(""),
                container.process().arguments().getFirst(),
                exit,
                new Machine(container.sandbox()).unit()),
        null);
  }

  private static StartFailure notStarted(
      ContainerPlan container, String why, @Nullable StageletException failure) {
    return new StartFailure(
        "container %s cannot be started: %s".formatted(container.name(), why), failure);
  }

  @Override
  public void update(ContainerPlan container) {
    Limits limits = Limits.of(container.resources());
    if (state(container) instanceof ContainerState.Running) {
      machines
          .systemdOf(new Machine(container.sandbox()))
          .setProperties(Machine.unitOf(container), limits.properties());
      delegated.write(cgroup(container), limits);
    }
  }

  @Override
  public void update(SandboxPlan sandbox, ContainerPlan.Resources resources) {
    Limits limits = Limits.of(resources);
    if (sandbox.hasOwnSlice()) {
      UnitName slice = UnitName.of(sandbox.slice());
      units.setProperties(slice, limits.properties());
      delegated.write(CGROUPS.resolve(slice.sliceGroup()), limits);
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

  private void kill(ContainerPlan container, KillWho who, int signal) {
    try {
      Optional<Units> systemd = machines.find(new Machine(container.sandbox()));
      if (systemd.isPresent()) {
        systemd.get().kill(Machine.unitOf(container), who, signal);
      }
    } catch (StageletException refused) {
      if (state(container) instanceof ContainerState.Running) {
        throw refused;
      }
    }
  }

  @Override
  public ContainerState state(ContainerPlan container) {
    Optional<UnitStatus> known =
        machines
            .find(new Machine(container.sandbox()))
            .flatMap(systemd -> systemd.status(Machine.unitOf(container)));
    Optional<ContainerState> lost = known.filter(UnitState::hasLostItsEnd).flatMap(lostEnds::of);
    if (lost.isPresent()) {
      return lost.get();
    }
    ContainerState state =
        UnitState.of(
            known,
            () ->
                known
                    .flatMap(
                        status -> ProcessNumbers.onThisHost(cgroup(container), status.mainPid()))
                    .orElse(0));
    if (state instanceof ContainerState.Running running && running.pid() != 0) {
      // by an earlier server, it may be
      lostEnds.watch(Machine.unitOf(container), running.pid());
    }
    return state;
  }

  /**
   * Services here go on after such a kill, and so do their results; the machine's systemd has no
   * journal for its notes, but the kernel tells of each.
   */
  @Override
  public boolean endedForWantOfMemory(ContainerPlan container, ContainerState.Ended ended) {
    return ended.forWantOfMemory(
        () -> OutOfMemoryKills.lastToldByKernel(Machine.unitOf(container), ended.startedAt()));
  }

  @Override
  public Exec exec(ContainerPlan container, ExecPlan process) {
    check();
    return NspawnExec.of(
        container, process, state(container), cgroup(container), nextExec.getAndIncrement());
  }

  @Override
  public void endLostExecs(ContainerPlan container) {
    NspawnExec.endLost(container, cgroup(container));
  }

  @Override
  public void removeContainer(ContainerPlan container) {
    Machine machine = new Machine(container.sandbox());
    Optional<Units> systemd = machines.find(machine);
    if (systemd.isPresent()) {
      UnitName unit = Machine.unitOf(container);
      if (state(container) instanceof ContainerState.Running) {
        kill(container);
      }
      systemd.get().stop(unit, JOB_TIMEOUT);
      systemd.get().resetFailed(unit);
    }
    lostEnds.forget(Machine.unitOf(container));
    ContainerFiles.remove(machine, container);
  }

  /**
   * A machine's containers end with it. What is mounted below the directories of sandboxes and
   * containers that nobody knows is the server's to sweep.
   */
  @Override
  public void sweep(Set<String> knownUnits) {
    units.list(List.of("pod-*-????????????.service")).stream()
        .map(UnitSummary::name)
        .filter(unit -> !knownUnits.contains(unit.value()))
        .forEach(this::stopNow);
  }

  @Override
  public AutoCloseable listen(Stage1Listener listener) {
    AutoCloseable inMachines = machines.listen(listener);
    Units.Listening onHost =
        units.listen(
            List.of("pod-"),
            event -> {
              switch (event) {
                case UnitEvent.Changed(var change) -> {
                  listener.changed(change.unit().value());
                  if (change.activeState() == ActiveState.FAILED
                      || change.activeState() == ActiveState.INACTIVE) {
                    machines.ended(change.unit());
                  }
                }
                case UnitEvent.Removed(UnitName unit) -> {
                  listener.changed(unit.value());
                  machines.ended(unit);
                }
                case UnitEvent.Reconnected _ -> listener.resynchronize();
                case UnitEvent.Disconnected _ -> {}
              }
            });
    return () -> {
      onHost.close();
      inMachines.close();
    };
  }

  @Override
  public void close() {
    machines.close();
    lostEnds.close();
  }

  /** The process of a machine's systemd, if the machine is up. */
  static Optional<Integer> leader(Machine machine) {
    try {
      return KernelFile.text(machine.payload().resolve("init.scope/cgroup.procs"))
          .lines()
          .map(Integer::parseInt)
          .findFirst();
    } catch (IOException notUp) {
      return Optional.empty();
    }
  }
}
