package io.stagelet.stage1.nspawn;

import io.stagelet.limits.Limits;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.DevicePolicy;
import io.stagelet.units.KillMode;
import io.stagelet.units.NotifyAccess;
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

/** The units of pods whose containers are machines themselves: their images bring the init. */
final class BootUnits {
  private static final Duration START_TIMEOUT = Duration.ofSeconds(90);
  private static final int SIGTERM = 15;

  /** SIGRTMIN+3, by which a systemd is asked to halt. */
  private static final int HALT = 37;

  /** As in systemd's own unit for machines, {@code systemd-nspawn@.service}; and nodes are made. */
  private static final List<UnitProperty.DeviceRule> COMMON_DEVICES =
      List.of(
          new UnitProperty.DeviceRule("char-*", "m"),
          new UnitProperty.DeviceRule("block-*", "m"),
          new UnitProperty.DeviceRule("char-pts", "rwm"),
          new UnitProperty.DeviceRule("/dev/char/5:2", "rwm"),
          new UnitProperty.DeviceRule("/dev/net/tun", "rwm"));

  private BootUnits() {}

  /** The machine's id, for machine-id(5). */
  static String machineId(ContainerPlan container) {
    return container.id().value().substring(0, 32);
  }

  /** The name that {@code machinectl} shows. */
  static String machineName(ContainerPlan container) {
    return Machine.name(
        container.sandbox().name() + "-" + container.name(), container.id().shortened());
  }

  /**
   * What asks its init to end; SIGTERM, which nobody has named, has a systemd start itself anew.
   */
  static int stopSignal(ContainerPlan container) {
    return container.stopSignal() == SIGTERM ? HALT : container.stopSignal();
  }

  /** It has no process: it stands for the pod's namespaces. */
  static TransientUnit pod(Machine machine) {
    SandboxPlan sandbox = machine.sandbox();
    return TransientUnit.service(machine.unit())
        .description("Pod %s/%s".formatted(sandbox.namespace(), sandbox.name()))
        .slice(UnitName.of(sandbox.slice()))
        .type(ServiceType.ONESHOT)
        .remainAfterExit(true)
        .execStart(List.of("/usr/bin/true"), false)
        .with(List.of(UnitProperty.logExtraFields(machine.logFields())))
        .build();
  }

  /**
   * Checks what can be known before the start.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with what cannot be had
   */
  static void check(ContainerPlan container) {
    if (container.pids().sharing() != ContainerPlan.Pids.Sharing.OWN) {
      throw refused(container, "processes that are shared: its init is to be the first of its own");
    }
    if (container.process().user().uid() != 0) {
      throw refused(
          container,
          "user %d for its init, which has to be root".formatted(container.process().user().uid()));
    }
    if (container.stdin().isPresent()) {
      throw refused(
          container, "an input without a terminal: systemd-nspawn passes none to a console");
    }
    for (ContainerPlan.Mount mount : container.mounts()) {
      if (mount.propagation() == ContainerPlan.Propagation.BIDIRECTIONAL) {
        throw refused(
            container,
            "bidirectional propagation of its mount %s: systemd-nspawn makes every mount a receiver only"
                .formatted(mount.destination()));
      }
      if (!mount.options().isEmpty()) {
        throw refused(
            container,
            "the options %s of its mount %s, which systemd-nspawn does not take"
                .formatted(mount.options(), mount.destination()));
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
    var _ = Limits.of(container.resources());
  }

  private static StageletException refused(ContainerPlan container, String what) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "container %s cannot be booted by the stage1 nspawn: it asks for %s"
            .formatted(container.name(), what));
  }

  /**
   * The unit of a container.
   *
   * @param tools what a process that joins it needs
   * @param filter its seccomp filter, for those
   * @param terminal its console, unless that goes to its output
   */
  static TransientUnit of(
      ContainerPlan container, EntryTools tools, Optional<Path> filter, Optional<Path> terminal) {
    Machine machine = new Machine(container.sandbox());
    TransientUnit.ServiceBuilder unit = TransientUnit.service(Machine.unitOf(container));
    List<UnitProperty> properties = new ArrayList<>();
    if (terminal.isPresent()) {
      properties.add(new UnitProperty.Text("TTYPath", terminal.get().toString()));
      for (String stream : List.of("StandardInput", "StandardOutput", "StandardError")) {
        properties.add(new UnitProperty.Text(stream, "tty"));
      }
    } else {
      unit.standardOutputFile(container.stdout()).standardErrorFile(container.stderr());
    }
    Map<String, String> fields = new LinkedHashMap<>(machine.logFields());
    fields.put("CONTAINER_ID_FULL", container.id().value());
    fields.put("K8S_CONTAINER_NAME", container.name());
    properties.add(UnitProperty.logExtraFields(fields));
    properties.addAll(devices(container));
    properties.addAll(Limits.of(container.resources()).properties());
    return unit.description(
            "Container %s of pod %s/%s"
                .formatted(
                    container.name(), container.sandbox().namespace(), container.sandbox().name()))
        .slice(UnitName.of(container.sandbox().slice()))
        .bindsTo(machine.unit())
        .after(machine.unit())
        // what systemd-nspawn notifies of (STOPPING=1) has systemd forget a unit that remains
        // otherwise
        .type(ServiceType.EXEC)
        .notifyAccess(NotifyAccess.NONE)
        .delegate(true)
        .remainAfterExit(true)
        .killMode(KillMode.MIXED)
        .timeoutStart(START_TIMEOUT)
        .timeoutStop(container.grace())
        .oomPolicy(OomPolicy.CONTINUE)
        .oomScoreAdjust(container.resources().oomScoreAdjust())
        .environment(environment(container))
        .execStart(command(machine, container, tools, filter), false)
        .with(properties)
        .build();
  }

  private static Map<String, String> environment(ContainerPlan container) {
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put("SYSTEMD_NSPAWN_SHARE_NS_IPC", "1");
    environment.put("SYSTEMD_NSPAWN_SHARE_NS_UTS", "1");
    if (container.security().privileged()) {
      environment.put("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1");
      environment.put("SYSTEMD_SECCOMP", "0");
    } else if (container.sandbox().networkNamespace().isPresent()) {
      // a /sys of the pod's network, not of the host's; with it, /proc/sys/net is writable
      environment.put("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network");
    }
    return environment;
  }

  private static List<String> command(
      Machine machine, ContainerPlan container, EntryTools tools, Optional<Path> filter) {
    ExecPlan process = container.process();
    ContainerPlan.Security security = container.security();
    List<String> command = new ArrayList<>(MachineUnit.entering(machine.pins()));
    command.addAll(
        List.of(
            "/usr/bin/systemd-nspawn",
            "--quiet",
            "--settings=no",
            "--directory=" + container.rootfs(),
            "--machine=" + machineName(container),
            "--uuid=" + machineId(container),
            "--kill-signal=" + stopSignal(container),
            "--keep-unit",
            "--register=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=try-guest",
            process.terminal() ? "--console=interactive" : "--console=read-only",
            "--chdir=" + process.workingDirectory(),
            "--no-new-privileges=" + process.noNewPrivileges(),
            bind(
                false,
                container.sandbox().hostIpc() ? Path.of("/dev/shm") : machine.sharedMemory(),
                "/dev/shm"),
            bind(true, tools.directory(), EntryTools.INSIDE)));
    filter.ifPresent(
        file -> command.add(bind(true, file, tools.filter(Path.of(EntryTools.INSIDE)).toString())));
    machine
        .sandbox()
        .networkNamespace()
        .ifPresent(pin -> command.add("--network-namespace-path=" + pin));
    if (security.privileged()) {
      command.add("--capability=all");
    } else if (!security.capabilities().isEmpty()) {
      command.add("--capability=" + String.join(",", security.capabilities()));
    }
    if (security.readOnlyRootfs()) {
      command.add("--read-only");
    }
    for (ContainerPlan.Mount mount : container.mounts()) {
      command.add(
          bind(mount.readOnly() || mount.recursiveReadOnly(), mount.source(), mount.destination()));
    }
    for (ContainerPlan.Device device : container.devices()) {
      command.add(bind(false, device.source(), device.destination()));
    }
    for (String variable : process.environment()) {
      command.add("--setenv=" + variable);
    }
    command.addAll(process.arguments());
    return command;
  }

  private static String bind(boolean readOnly, Path source, String destination) {
    return "--bind%s=%s:%s"
        .formatted(readOnly ? "-ro" : "", escaped(source.toString()), escaped(destination));
  }

  private static String escaped(String path) {
    return path.replace("\\", "\\\\").replace(":", "\\:");
  }

  private static List<UnitProperty> devices(ContainerPlan container) {
    if (container.security().privileged()) {
      return List.of(UnitProperty.devicePolicy(DevicePolicy.AUTO));
    }
    List<UnitProperty.DeviceRule> rules = new ArrayList<>(COMMON_DEVICES);
    for (ContainerPlan.Device device : container.devices()) {
      rules.add(new UnitProperty.DeviceRule(ContainerFiles.node(device), device.permissions()));
    }
    return List.of(UnitProperty.devicePolicy(DevicePolicy.CLOSED), UnitProperty.deviceAllow(rules));
  }
}
