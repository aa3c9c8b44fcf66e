package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.limits.Limits;
import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.units.DevicePolicy;
import io.stagelet.units.KillMode;
import io.stagelet.units.OomPolicy;
import io.stagelet.units.ServiceType;
import io.stagelet.units.TransientUnit;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitProperty;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A container as a service of its machine's systemd. */
final class ContainerService {
  private static final Duration START_TIMEOUT = Duration.ofSeconds(90);
  private static final Pattern VARIABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final int DATABASE_LIMIT = 4 << 20;

  /** (uid_t) -1 where it has 16 bits; systemd takes it for no user and no group. */
  private static final long NOBODY = 65535;

  /** What systemd adds to the environment of a service, and nobody asked for. */
  private static final List<String> ADDED_VARIABLES =
      List.of(
          "INVOCATION_ID",
          "JOURNAL_STREAM",
          "SYSTEMD_EXEC_PID",
          "MEMORY_PRESSURE_WATCH",
          "MEMORY_PRESSURE_WRITE",
          "LANG",
          "USER",
          "LOGNAME",
          "SHELL",
          "NOTIFY_SOCKET");

  private static final List<UnitProperty.DeviceRule> COMMON_DEVICES =
      List.of(
          new UnitProperty.DeviceRule("char-*", "m"),
          new UnitProperty.DeviceRule("block-*", "m"),
          new UnitProperty.DeviceRule("char-pts", "rwm"),
          new UnitProperty.DeviceRule("/dev/char/5:2", "rwm"));

  private ContainerService() {}

  /**
   * Checks what can be known before the start.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with what cannot be had
   */
  static void check(ContainerPlan container, ObjectMapper json) {
    switch (container.pids().sharing()) {
      case OWN, POD -> {}
      case HOST ->
          throw refused(
              container,
              "the host's PID namespace: a machine has one of its own, in which its systemd is the first process");
      case TARGET ->
          throw refused(
              container,
              "the PID namespace of another container: systemd joins a service to none that exists");
    }
    for (ContainerPlan.Mount mount : container.mounts()) {
      if (mount.propagation() == ContainerPlan.Propagation.BIDIRECTIONAL) {
        throw refused(
            container,
            "bidirectional propagation of its mount %s: systemd makes every mount of a service a receiver only"
                .formatted(mount.destination()));
      }
      var _ = ContainerFiles.flags(mount);
      if (mount.destination().equals("/")) {
        throw refused(container, "a mount over its whole root");
      }
    }
    if (!container.hooks().isEmpty()) {
      throw refused(
          container,
          "hooks (%s): they are told of an OCI runtime's container, and there is none"
              .formatted(container.hooks().getFirst().path()));
    }
    if (container.security().selinux().isPresent()) {
      throw refused(container, "an SELinux label: a machine has no access to SELinux");
    }
    var _ = seccomp(container, json);
    var _ = Limits.of(container.resources());
    var _ = CapabilitySet.bits(container.security().capabilities());
  }

  static Optional<SeccompProfile> seccomp(ContainerPlan container, ObjectMapper json) {
    return container.security().seccomp().map(profile -> SeccompProfile.of(profile, json));
  }

  /**
   * Whether systemd can be told all that its first process is to be; else the process is made so by
   * the same steps as one that joins it.
   */
  private static boolean canBeSaid(ContainerPlan container, Optional<List<UnitProperty>> filter) {
    ExecPlan process = container.process();
    return filter.isPresent()
        && Stream.concat(
                Stream.of(process.user().uid(), process.user().gid()),
                process.user().additionalGroups().stream())
            .noneMatch(id -> id == NOBODY)
        && environment(container).keySet().stream()
            .allMatch(name -> VARIABLE.matcher(name).matches());
  }

  /**
   * Not {@code exec} where the service has a PID namespace of its own: systemd 257 loses how its
   * process ended, if it did before systemd has noticed that it runs.
   */
  private static ServiceType type(ContainerPlan container) {
    return container.pids().sharing() == ContainerPlan.Pids.Sharing.OWN
        ? ServiceType.SIMPLE
        : ServiceType.EXEC;
  }

  private static StageletException refused(ContainerPlan container, String what) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "container %s cannot be run by the stage1 nspawn: it asks for %s"
            .formatted(container.name(), what));
  }

  /**
   * The service.
   *
   * @param terminal its terminal, as the machine calls it
   */
  static TransientUnit of(ContainerPlan container, Optional<Path> terminal, ObjectMapper json) {
    Path inside = Machine.inside(container);
    ExecPlan process = container.process();
    ContainerPlan.Security security = container.security();
    TransientUnit.ServiceBuilder unit =
        TransientUnit.service(Machine.unitOf(container))
            .description(
                "Container %s of pod %s/%s"
                    .formatted(
                        container.name(),
                        container.sandbox().namespace(),
                        container.sandbox().name()))
            .defaultDependencies(false)
            .slice(UnitName.of("-.slice"))
            .type(type(container))
            .delegate(true)
            .remainAfterExit(true)
            .killMode(KillMode.MIXED)
            .killSignal(container.stopSignal())
            .timeoutStart(START_TIMEOUT)
            .timeoutStop(container.grace())
            .oomPolicy(OomPolicy.CONTINUE)
            .oomScoreAdjust(container.resources().oomScoreAdjust())
            .workingDirectory(Path.of(process.workingDirectory()));
    List<UnitProperty> properties = new ArrayList<>();
    Optional<List<UnitProperty>> filter =
        seccomp(container, json)
            .map(SystemCallProfile::properties)
            .orElseGet(() -> Optional.of(List.of()));
    if (canBeSaid(container, filter)) {
      asSaid(container, filter.orElseThrow(), unit, properties);
    } else {
      unit.execStart(Entry.line(container, process), false);
    }
    properties.add(new UnitProperty.Text("RootDirectory", inside.resolve("rootfs").toString()));
    properties.add(new UnitProperty.Flag("MountAPIVFS", true));
    if (container.pids().sharing() == ContainerPlan.Pids.Sharing.OWN) {
      properties.add(new UnitProperty.Text("PrivatePIDs", "yes"));
    }
    if (!security.privileged()) {
      properties.add(new UnitProperty.Text("ProtectControlGroupsEx", "private"));
    }
    binds(container, inside, properties);
    paths(container, properties);
    devices(container, properties);
    streams(container, inside, terminal, unit, properties);
    properties.addAll(Limits.of(container.resources()).properties());
    return unit.with(properties).build();
  }

  /** The first process is what it is to be by properties of the service. */
  private static void asSaid(
      ContainerPlan container,
      List<UnitProperty> filter,
      TransientUnit.ServiceBuilder unit,
      List<UnitProperty> properties) {
    ExecPlan process = container.process();
    ContainerPlan.Security security = container.security();
    Map<String, String> environment = environment(container);
    unit.execStart(arguments(process), false).environment(environment);
    properties.add(
        new UnitProperty.Texts(
            "UnsetEnvironment",
            ADDED_VARIABLES.stream().filter(name -> !environment.containsKey(name)).toList()));
    properties.add(new UnitProperty.Text("User", String.valueOf(process.user().uid())));
    properties.add(new UnitProperty.Text("Group", String.valueOf(process.user().gid())));
    properties.add(
        new UnitProperty.Texts(
            "SupplementaryGroups",
            process.user().additionalGroups().stream().map(String::valueOf).toList()));
    properties.add(new UnitProperty.Flag("SetLoginEnvironment", false));
    properties.add(new UnitProperty.Flag("NoNewPrivileges", process.noNewPrivileges()));
    properties.add(
        new UnitProperty.Number64(
            "CapabilityBoundingSet", CapabilitySet.bits(security.capabilities())));
    properties.add(
        new UnitProperty.Number64(
            "AmbientCapabilities", CapabilitySet.bits(security.ambientCapabilities())));
    List<String> search =
        List.of(environment.getOrDefault("PATH", "").split(":")).stream()
            .filter(place -> place.startsWith("/"))
            .toList();
    properties.add(new UnitProperty.Texts("ExecSearchPath", search));
    properties.addAll(filter);
    security
        .apparmorProfile()
        .ifPresent(profile -> properties.add(new UnitProperty.Label("AppArmorProfile", profile)));
  }

  private static void binds(ContainerPlan container, Path inside, List<UnitProperty> properties) {
    List<UnitProperty.Bind> binds = new ArrayList<>();
    List<UnitProperty.Bind> readOnly = new ArrayList<>();
    binds.add(bind(inside.resolve("dev"), "/dev"));
    binds.add(bind(Path.of("/dev/pts"), "/dev/pts"));
    binds.add(bind(Path.of("/dev/mqueue"), "/dev/mqueue"));
    binds.add(bind(inside.resolve("mounts/shm"), "/dev/shm"));
    readOnly.add(bind(inside.resolve("mounts/tools"), EntryTools.INSIDE));
    if (ConfinedFiles.isDirectory(container.rootfs(), "run").orElse(false)) {
      // otherwise systemd mounts an empty one
      binds.add(bind(inside.resolve("rootfs/run"), "/run"));
    }
    int number = 0;
    for (ContainerPlan.Mount mount : container.mounts()) {
      UnitProperty.Bind bind =
          bind(inside.resolve("mounts").resolve(String.valueOf(number)), mount.destination());
      (mount.recursiveReadOnly() ? readOnly : binds).add(bind);
      number++;
    }
    properties.add(new UnitProperty.Binds("BindPaths", binds));
    properties.add(new UnitProperty.Binds("BindReadOnlyPaths", readOnly));
  }

  private static UnitProperty.Bind bind(Path source, String destination) {
    return new UnitProperty.Bind(source.toString(), destination);
  }

  private static void paths(ContainerPlan container, List<UnitProperty> properties) {
    ContainerPlan.Security security = container.security();
    properties.add(
        new UnitProperty.Texts(
            "InaccessiblePaths",
            security.maskedPaths().stream().map(path -> "-+" + path).toList()));
    List<String> readOnly = new ArrayList<>();
    security.readOnlyPaths().forEach(path -> readOnly.add("-+" + path));
    if (!security.privileged()) {
      readOnly.add("+/sys");
    }
    if (security.readOnlyRootfs()) {
      readOnly.add("+/");
    }
    properties.add(new UnitProperty.Texts("ReadOnlyPaths", readOnly));
    if (security.readOnlyRootfs()) {
      // what is mounted over the root stays as it is
      properties.add(new UnitProperty.Texts("ReadWritePaths", List.of("+/dev", "+/proc")));
    }
  }

  private static void devices(ContainerPlan container, List<UnitProperty> properties) {
    if (container.security().privileged()) {
      properties.add(UnitProperty.devicePolicy(DevicePolicy.AUTO));
      return;
    }
    List<UnitProperty.DeviceRule> rules = new ArrayList<>(COMMON_DEVICES);
    for (ContainerPlan.Device device : container.devices()) {
      rules.add(new UnitProperty.DeviceRule(ContainerFiles.node(device), device.permissions()));
    }
    properties.add(UnitProperty.devicePolicy(DevicePolicy.CLOSED));
    properties.add(UnitProperty.deviceAllow(rules));
  }

  private static void streams(
      ContainerPlan container,
      Path inside,
      Optional<Path> terminal,
      TransientUnit.ServiceBuilder unit,
      List<UnitProperty> properties) {
    if (terminal.isPresent()) {
      properties.add(new UnitProperty.Text("TTYPath", terminal.get().toString()));
      for (String stream : List.of("StandardInput", "StandardOutput", "StandardError")) {
        properties.add(new UnitProperty.Text(stream, "tty"));
      }
      return;
    }
    unit.standardOutputFile(inside.resolve(container.stdout().getFileName()))
        .standardErrorFile(inside.resolve(container.stderr().getFileName()));
    container.stdin().ifPresent(fifo -> unit.standardInputFile(inside.resolve(fifo.getFileName())));
  }

  /** A program with a slash in its name is looked for in the working directory. */
  private static List<String> arguments(ExecPlan process) {
    String program = process.arguments().getFirst();
    if (program.startsWith("/") || !program.contains("/")) {
      return process.arguments();
    }
    List<String> arguments = new ArrayList<>(process.arguments());
    arguments.set(0, Path.of(process.workingDirectory()).resolve(program).normalize().toString());
    return arguments;
  }

  /** As the OCI runtimes do, HOME comes from the image's user database when nobody says it. */
  static Map<String, String> environment(ContainerPlan container) {
    Map<String, String> environment = new LinkedHashMap<>();
    for (String variable : container.process().environment()) {
      int equals = variable.indexOf('=');
      if (equals > 0) {
        environment.put(variable.substring(0, equals), variable.substring(equals + 1));
      }
    }
    environment.computeIfAbsent("HOME", absent -> home(container));
    return environment;
  }

  private static String home(ContainerPlan container) {
    String uid = String.valueOf(container.process().user().uid());
    return ConfinedFiles.readText(container.rootfs(), "etc/passwd", DATABASE_LIMIT)
        .orElse("")
        .lines()
        .map(line -> line.split(":", -1))
        .filter(fields -> fields.length > 5 && fields[2].equals(uid) && !fields[5].isEmpty())
        .map(fields -> fields[5])
        .findFirst()
        .orElse("/");
  }
}
