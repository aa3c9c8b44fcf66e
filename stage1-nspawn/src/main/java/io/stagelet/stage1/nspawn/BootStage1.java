package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.limits.DelegatedFiles;
import io.stagelet.limits.Limits;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
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
import io.stagelet.units.UnitEvent;
import io.stagelet.units.UnitException;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitStatus;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Containers as machines of systemd-nspawn, in which the image's own init runs. A pod is the
 * namespaces that they share.
 *
 * <pre>
 *   systemd ── ctr-….service ── systemd-nspawn ── the image's init ── what that starts
 * </pre>
 */
final class BootStage1 implements Stage1 {
  private static final Logger LOG = LoggerFactory.getLogger(BootStage1.class);
  private static final Duration JOB_TIMEOUT = Duration.ofSeconds(100);
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final Path JOURNALS = Path.of("/var/log/journal");
  private static final Path TERMINALS = Path.of("/dev/pts/ptmx");
  private static final Duration POLL = Duration.ofMillis(10);
  private static final int SIGKILL = 9;

  private final Units units;
  private final EntryTools tools;
  private final ObjectMapper json;
  private final Optional<StageletException> refusal;
  private final DelegatedFiles delegated = new DelegatedFiles(CGROUPS);
  private final AtomicLong nextExec = new AtomicLong(System.currentTimeMillis());

  BootStage1(
      Units units, EntryTools tools, ObjectMapper json, Optional<StageletException> refusal) {
    this.units = units;
    this.tools = tools;
    this.json = json;
    this.refusal = refusal;
  }

  @Override
  public Set<Feature> features() {
    return Set.of(Feature.RECURSIVE_READ_ONLY_MOUNTS);
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
    return CGROUPS
        .resolve(UnitName.of(container.sandbox().slice()).sliceGroup())
        .resolve(unitOf(container));
  }

  @Override
  public Optional<String> unusable() {
    return NspawnStage1.withoutNspawn();
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
      undo.push("release what " + machine.unit() + " has", () -> PodPlace.release(machine));
      PodPlace.makeNamespaces(machine);
      PodPlace.mountSharedMemory(machine);
      if (sandbox.hasOwnSlice()) {
        undo.push(
            "stop " + sandbox.slice(), () -> PodPlace.stop(units, UnitName.of(sandbox.slice())));
        PodPlace.startSlice(units, sandbox);
      }
      undo.push("stop " + machine.unit(), () -> PodPlace.stop(units, machine.unit()));
      units.start(BootUnits.pod(machine), JOB_TIMEOUT);
      undo.keep();
    }
  }

  @Override
  public void stopSandbox(SandboxPlan sandbox) {
    Machine machine = new Machine(sandbox);
    PodPlace.stop(units, machine.unit());
    if (sandbox.hasOwnSlice()) {
      PodPlace.stop(units, UnitName.of(sandbox.slice()));
    }
    PodPlace.release(machine);
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
    BootUnits.check(container);
    ContainerFiles.makeWorkingDirectory(container);
    ContainerService.seccomp(container, json)
        .ifPresent(profile -> profile.writeTo(filter(container)));
  }

  private static Path filter(ContainerPlan container) {
    return container.directory().resolve("filter");
  }

  @Override
  public void startContainer(ContainerPlan container, IntConsumer terminal) {
    failIfItHasNoProgram(container);
    Optional<Path> device = Optional.empty();
    if (container.process().terminal()) {
      PseudoTerminal pair = PseudoTerminal.openOf(TERMINALS);
      terminal.accept(pair.master());
      device = Optional.of(pair.device());
    }
    try {
      units.start(
          BootUnits.of(
              container,
              tools,
              container.security().seccomp().map(profile -> filter(container)),
              device),
          JOB_TIMEOUT);
      awaitInit(container);
    } catch (UnitException failure) {
      removeContainer(container);
      throw new StartFailure(
          "container %s cannot be started: %s; what systemd-nspawn said is in its log"
              .formatted(container.name(), StageletException.reason(failure)),
          failure);
    }
    delegated.writeAsItStarts(cgroup(container), Limits.of(container.resources()));
    // nothing of the container depends on it
    Thread.startVirtualThread(() -> register(container));
  }

  /** Until its init runs; one that has ended meanwhile has an end like any other. */
  private void awaitInit(ContainerPlan container) {
    long deadline = System.nanoTime() + JOB_TIMEOUT.toNanos();
    while (System.nanoTime() < deadline) {
      Optional<UnitStatus> status = units.status(Machine.unitOf(container));
      if (status.isEmpty()
          || status.get().main().ended()
          || init(status.get()).filter(BootStage1::hasBecomeItsProgram).isPresent()) {
        return;
      }
      try {
        Thread.sleep(POLL);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        throw new StageletException(
            ErrorCode.CANCELLED, "the start of a container was interrupted", interrupted);
      }
    }
    throw new StageletException(
        ErrorCode.DEADLINE_EXCEEDED,
        "systemd-nspawn did not bring the init of container %s about within %s"
            .formatted(container.name(), JOB_TIMEOUT));
  }

  private static boolean hasBecomeItsProgram(int init) {
    try {
      return !Files.readSymbolicLink(Path.of("/proc", String.valueOf(init), "exe"))
          .endsWith("systemd-nspawn");
    } catch (IOException ended) {
      return false;
    }
  }

  /** A program in a volume is found by systemd-nspawn alone. */
  private static void failIfItHasNoProgram(ContainerPlan container) {
    ExecPlan process = container.process();
    String program = process.arguments().getFirst();
    boolean mounted =
        container.mounts().stream().anyMatch(mount -> !mount.destination().startsWith("/etc/"));
    if (!mounted) {
      ProgramSearch.failure(
              container.rootfs(),
              program,
              process.workingDirectory(),
              ContainerService.environment(container))
          .ifPresent(reason -> {
            throw new StartFailure(
                "container %s cannot be started: its init %s cannot be run: %s"
                    .formatted(container.name(), program, reason),
                null);
          });
    }
  }

  private void register(ContainerPlan container) {
    try {
      Optional<Integer> init = init(container);
      if (init.isPresent()) {
        units.registerMachine(
            BootUnits.machineName(container),
            HexFormat.of().parseHex(BootUnits.machineId(container)),
            "stagelet",
            init.get(),
            container.rootfs());
      }
    } catch (StageletException failure) {
      LOG.debug(
          "machinectl does not know {}: {}",
          BootUnits.machineName(container),
          StageletException.reason(failure));
    }
  }

  /**
   * The machine's first process: the child of systemd-nspawn that has a PID namespace of its own.
   */
  private Optional<Integer> init(ContainerPlan container) {
    return units.status(Machine.unitOf(container)).flatMap(BootStage1::init);
  }

  private static Optional<Integer> init(UnitStatus status) {
    int nspawn = status.mainPid();
    if (nspawn <= 0) {
      return Optional.empty();
    }
    try {
      String children =
          KernelFile.text(Path.of("/proc/%d/task/%d/children".formatted(nspawn, nspawn)));
      return Arrays.stream(children.strip().split(" "))
          .filter(word -> !word.isEmpty())
          .map(Integer::parseInt)
          .filter(ProcessNumbers::isFirst)
          .findFirst();
    } catch (IOException ended) {
      return Optional.empty();
    }
  }

  @Override
  public void update(ContainerPlan container) {
    Limits limits = Limits.of(container.resources());
    if (state(container) instanceof ContainerState.Running) {
      units.setProperties(Machine.unitOf(container), limits.properties());
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

  /** To its init, past systemd-nspawn, which would take a second one for an order to kill. */
  @Override
  public void signal(ContainerPlan container, int signal) {
    int told = signal == container.stopSignal() ? BootUnits.stopSignal(container) : signal;
    Optional<Integer> init = init(container);
    if (init.isEmpty()) {
      return;
    }
    Command.Outcome outcome =
        Command.of("/usr/bin/kill", "-" + told, String.valueOf(init.get())).run();
    if (outcome.exitCode() != 0 && state(container) instanceof ContainerState.Running) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "signal %d could not be sent to the init of container %s: %s"
              .formatted(told, container.name(), outcome.complaint()));
    }
  }

  @Override
  public void kill(ContainerPlan container) {
    try {
      units.kill(Machine.unitOf(container), KillWho.ALL, SIGKILL);
    } catch (StageletException refused) {
      if (state(container) instanceof ContainerState.Running) {
        throw refused;
      }
    }
  }

  @Override
  public ContainerState state(ContainerPlan container) {
    Optional<UnitStatus> status = units.status(Machine.unitOf(container));
    return UnitState.of(status, () -> status.flatMap(BootStage1::init).orElse(0));
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
    if (state(container) instanceof ContainerState.Running) {
      kill(container);
    }
    PodPlace.stop(units, Machine.unitOf(container));
    NspawnStage1.forgetState(BootUnits.machineName(container));
    forgetJournal(container);
  }

  /** systemd-nspawn leaves the link to the machine's journal, which goes with the container. */
  private static void forgetJournal(ContainerPlan container) {
    Path link = JOURNALS.resolve(BootUnits.machineId(container));
    try {
      if (Files.isSymbolicLink(link)) {
        Files.delete(link);
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not remove %s: %s".formatted(link, StageletException.reason(failure)),
          failure);
    }
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
          PodPlace.stop(units, unit);
        });
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
  public void close() {}
}
