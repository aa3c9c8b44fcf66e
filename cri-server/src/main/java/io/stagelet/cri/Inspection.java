package io.stagelet.cri;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Mounts;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerState;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares what is on disk, what systemd runs, what is mounted and what CNI has given out, and says
 * what does not fit together. The server does so when it starts, and {@code stagelet check} when
 * somebody asks.
 */
final class Inspection {
  private static final Logger LOG = LoggerFactory.getLogger(Inspection.class);
  private static final int ID_IN_UNIT_NAME = 12;

  private final Configuration configuration;
  private final Handlers handlers;
  private final Records records;
  private final Cni cni;

  Inspection(Configuration configuration, Handlers handlers, Records records, Cni cni) {
    this.configuration = configuration;
    this.handlers = handlers;
    this.records = records;
    this.cni = cni;
  }

  /**
   * The sandboxes and containers that are known, by whoever asks.
   *
   * @param units the units of all
   * @param ids the ids of all
   */
  record Known(Set<String> units, Set<String> ids) {
    Known {
      units = Set.copyOf(units);
      ids = Set.copyOf(ids);
    }
  }

  /** The records that cannot be read: they are made good from their copies, or set aside. */
  List<Finding> damaged(Records.All all) {
    return Stream.concat(
            all.sandboxes().damaged().stream()
                .map(damaged -> damaged(damaged, () -> damaged.copy().ifPresent(records::store))),
            all.containers().damaged().stream()
                .map(damaged -> damaged(damaged, () -> damaged.copy().ifPresent(records::store))))
        .toList();
  }

  private Finding damaged(Records.Damaged<?> damaged, Runnable store) {
    String words = StageletException.reason(damaged.reason());
    return damaged.copy().isPresent()
        ? new Finding(
            Finding.Kind.RECORD_DAMAGED,
            damaged.directory().toString(),
            words + "; it is made good from its copy, and nothing is lost; check the disk",
            store)
        : new Finding(
            Finding.Kind.RECORD_DAMAGED,
            damaged.directory().toString(),
            words
                + ", and it has no copy; it is set aside, and what runs of it runs on unknown to kubelet until \"stagelet check --repair\" ends it; check the disk",
            () -> records.setAside(damaged));
  }

  /** What belongs to nobody: units, directories with their mounts, and records set aside. */
  List<Finding> nobodys(Known known) {
    List<Finding> findings = new ArrayList<>();
    Set<String> setAside = records.setAside();
    Map<Stage1, List<String>> unknown = new LinkedHashMap<>();
    handlers.all().forEach(stage1 -> unknown.put(stage1, stage1.unknown(known.units())));
    Map<String, List<String>> unitsSetAside =
        unknown.values().stream()
            .flatMap(List::stream)
            .distinct()
            .filter(unit -> idIn(unit, setAside).isPresent())
            .collect(Collectors.groupingBy(unit -> idIn(unit, setAside).orElseThrow()));
    for (String id : setAside) {
      findings.add(setAside(id, unitsSetAside.getOrDefault(id, List.of()), known));
    }
    unknown.forEach((stage1, units) ->
        units.stream()
            .filter(unit -> idIn(unit, setAside).isEmpty())
            .filter(unit -> findings.stream().noneMatch(other -> other.subject().equals(unit)))
            .forEach(unit ->
                findings.add(
                    new Finding(
                        Finding.Kind.UNKNOWN_UNIT,
                        unit,
                        "there is no record of it; it is stopped",
                        () -> stage1.sweep(allBut(unit, units, known))))));
    leftovers(known, setAside)
        .forEach(directory ->
            findings.add(
                new Finding(
                    Finding.Kind.LEFTOVER,
                    directory.toString(),
                    "it belongs to nobody; it is removed",
                    () -> sweep(directory))));
    return findings;
  }

  /** While it runs, somebody may miss it; what does not run is only in the way. */
  private Finding setAside(String id, List<String> units, Known known) {
    Runnable repair =
        () -> {
          for (Stage1 stage1 : handlers.all()) {
            Set<String> others = new HashSet<>(stage1.unknown(known.units()));
            others.removeIf(unit -> unit.contains(id.substring(0, ID_IN_UNIT_NAME)));
            others.addAll(known.units());
            stage1.sweep(others);
          }
          Stream.concat(
                  Stream.of("containers", "sandboxes")
                      .map(kind -> configuration.runDirectory().resolve(kind).resolve(id))
                      .filter(Files::exists),
                  Stream.concat(
                      records.directoriesOf(id).stream(),
                      spools().stream().filter(file -> idOf(file).equals(id))))
              .forEach(Inspection::sweep);
        };
    return units.isEmpty()
        ? new Finding(
            Finding.Kind.LEFTOVER,
            id,
            "its record is damaged and set aside, and nothing of it runs; it is removed",
            repair)
        : new Finding(
            Finding.Kind.RECORD_SET_ASIDE,
            id,
            "its record is damaged and set aside, and %s runs on, unknown to kubelet; --repair ends it"
                .formatted(String.join(" and ", units)),
            repair);
  }

  /** All units but one: what is swept with these takes down that one alone. */
  private static Set<String> allBut(String unit, List<String> unknown, Known known) {
    Set<String> others = new HashSet<>(known.units());
    others.addAll(unknown);
    others.remove(unit);
    return others;
  }

  /** The units that a sweep must leave alone: those that are known, and those set aside. */
  Set<String> leftAlone(Known known) {
    Set<String> setAside = records.setAside();
    Set<String> units = new HashSet<>(known.units());
    handlers.all().stream()
        .flatMap(stage1 -> stage1.unknown(known.units()).stream())
        .filter(unit -> idIn(unit, setAside).isPresent())
        .forEach(units::add);
    return units;
  }

  static Optional<String> idIn(String unit, Set<String> ids) {
    return ids.stream()
        .filter(id -> id.length() >= ID_IN_UNIT_NAME)
        .filter(id -> unit.contains(id.substring(0, ID_IN_UNIT_NAME)))
        .findFirst();
  }

  private List<Path> leftovers(Known known, Set<String> setAside) {
    return Stream.concat(
            Stream.concat(
                    Stream.of("containers", "sandboxes")
                        .map(configuration.runDirectory()::resolve)
                        .flatMap(parent -> children(parent).stream()),
                    spools().stream())
                .filter(path -> !known.ids().contains(idOf(path)))
                .filter(path -> !setAside.contains(idOf(path))),
            Stream.concat(
                records.containersWithoutRecord().stream(),
                records.sandboxesWithoutRecord().stream()))
        .toList();
  }

  /** What the relay keeps of containers' output: files that are named by their ids. */
  private List<Path> spools() {
    return children(configuration.runDirectory().resolve("relay")).stream()
        .filter(file -> file.getFileName().toString().matches("[0-9a-f]{64}\\..*"))
        .toList();
  }

  private static String idOf(Path path) {
    return path.getFileName().toString().split("\\.", 2)[0];
  }

  /** First what is mounted there, then the directory. */
  static void sweep(Path directory) {
    Mounts.detachAll(target -> target.startsWith(directory));
    DurableFiles.deleteTree(directory);
  }

  private static List<Path> children(Path parent) {
    if (!Files.isDirectory(parent)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(parent)) {
      return entries.toList();
    } catch (IOException failure) {
      StoryEvent.RECOVERY_FAILED
          .on(LOG)
          .log("could not list {}: {}", parent, StageletException.reason(failure));
      return List.of();
    }
  }

  /** Whether systemd and the kernel have what the records tell of. */
  List<Finding> states(List<Sandbox> sandboxes, List<Container> containers, Mending mending) {
    List<Finding> findings = new ArrayList<>();
    Set<Path> mounted = MountInfo.all().stream().map(MountInfo::target).collect(Collectors.toSet());
    sandboxes.forEach(sandbox -> state(sandbox, mounted, mending, findings));
    containers.forEach(container -> state(container, mounted, mending, findings));
    return findings;
  }

  private static void state(
      Sandbox sandbox, Set<Path> mounted, Mending mending, List<Finding> findings) {
    SandboxPlan plan = sandbox.plan();
    Runnable settle = () -> mending.settle(plan.id().value());
    String subject = "sandbox %s (%s/%s)".formatted(plan.id(), plan.namespace(), plan.name());
    switch (sandbox.record().phase()) {
      case CREATING ->
          findings.add(
              new Finding(
                  Finding.Kind.STATE,
                  subject,
                  "it is being made; when that was given up, --repair undoes it",
                  settle));
      case READY -> {
        if (!sandbox.stage1().isUp(plan)) {
          findings.add(
              new Finding(
                  Finding.Kind.STATE,
                  subject,
                  "its record says that it is ready, and its unit %s is down; --repair takes note"
                      .formatted(sandbox.unit()),
                  settle));
        } else if (plan.networkNamespace().filter(pin -> !mounted.contains(pin)).isPresent()) {
          findings.add(
              Finding.ending(
                  Finding.Kind.MISSING,
                  subject,
                  "its network namespace is not at %s any more"
                      .formatted(plan.networkNamespace().get()),
                  () -> mending.end(plan.id().value())));
        }
      }
      case NOT_READY -> {
        if (sandbox.stage1().isUp(plan)) {
          findings.add(
              new Finding(
                  Finding.Kind.STATE,
                  subject,
                  "its record says that it is down, and its unit %s is up; --repair stops it"
                      .formatted(sandbox.unit()),
                  settle));
        }
      }
    }
  }

  private static void state(
      Container container, Set<Path> mounted, Mending mending, List<Finding> findings) {
    String subject = "container %s (%s)".formatted(container.id(), container.plan().name());
    if (container.record().life() instanceof ContainerRecord.Exited) {
      return;
    }
    // with a sandbox that is down it goes as it is
    if (container.sandbox().record().phase() == SandboxRecord.Phase.READY
        && !mounted.contains(container.plan().rootfs())) {
      findings.add(
          Finding.ending(
              Finding.Kind.MISSING,
              subject,
              "its root filesystem is not mounted at %s any more"
                  .formatted(container.plan().rootfs()),
              () -> mending.end(container.id().value())));
    }
    ContainerState state = container.stage1().state(container.plan());
    boolean runs =
        state instanceof ContainerState.Running || state instanceof ContainerState.Starting;
    if (container.record().life() instanceof ContainerRecord.Running != runs) {
      findings.add(
          new Finding(
              Finding.Kind.STATE,
              subject,
              "its record says that it %s, and its unit %s says otherwise; --repair brings them together"
                  .formatted(
                      container.record().life() instanceof ContainerRecord.Running
                          ? "runs"
                          : "was not started",
                      container.unit()),
              () -> mending.settle(container.id().value())));
    }
  }

  /** Whether CNI has what the records tell of, and nothing else. */
  List<Finding> networks(List<Sandbox> known, Mending mending) {
    List<Finding> findings = new ArrayList<>();
    List<SandboxRecord> sandboxes = known.stream().map(Sandbox::record).toList();
    Set<Path> mounted = MountInfo.all().stream().map(MountInfo::target).collect(Collectors.toSet());
    for (Sandbox one : known) {
      SandboxRecord sandbox = one.record();
      // of one that is down, or has lost its namespace, that is said already
      if (sandbox.phase() == SandboxRecord.Phase.READY
          && sandbox.network().isPresent()
          && sandbox.plan().networkNamespace().filter(mounted::contains).isPresent()
          && one.stage1().isUp(one.plan())) {
        try {
          cni.check(SandboxLifecycle.target(sandbox), sandbox.network().get());
        } catch (StageletException failure) {
          findings.add(
              Finding.ending(
                  Finding.Kind.NETWORK,
                  "sandbox %s".formatted(sandbox.plan().id()),
                  StageletException.reason(failure),
                  () -> mending.end(sandbox.plan().id().value())));
        }
      }
    }
    Set<String> attached =
        sandboxes.stream()
            .filter(sandbox -> sandbox.network().isPresent())
            .map(sandbox -> sandbox.plan().id().value())
            .collect(Collectors.toSet());
    attached.addAll(records.setAside());
    for (CniLeases.Lease lease : CniLeases.of(cni.networks())) {
      if (!attached.contains(lease.sandbox())) {
        findings.add(
            new Finding(
                Finding.Kind.LEASE,
                lease.file().toString(),
                "the address %s of network %s is taken for sandbox %s, which nobody here knows; --repair frees it"
                    .formatted(lease.address(), lease.network(), lease.sandbox()),
                () -> cni.release(lease)));
      }
    }
    findings.addAll(cutOffLeases());
    return findings;
  }

  /** The addresses whose plugin was killed while it took them. */
  List<Finding> cutOffLeases() {
    return CniLeases.cutOff(cni.networks()).stream()
        .map(lease ->
            new Finding(
                Finding.Kind.LEASE_CUT_OFF,
                lease.file().toString(),
                "the address %s of network %s is taken for nobody: the plugin host-local was killed while it took it; it is freed"
                    .formatted(lease.address(), lease.network()),
                lease::free))
        .toList();
  }
}
