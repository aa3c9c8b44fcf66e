package io.stagelet.stage1.nspawn;

import io.stagelet.linux.IdMapping;
import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.KillMode;
import io.stagelet.units.NotifyAccess;
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

/**
 * The unit of a sandbox: systemd-nspawn, and in it a systemd that does nothing by itself.
 *
 * <p>The pod's namespaces are there before: systemd-nspawn is started in those that it cannot be
 * handed, and told to make none of its own. That is refused together with {@code --boot}; so the
 * systemd inside is started as any program is that becomes the first process.
 *
 * <p>Where the pod has users of its own, it is the other way round: systemd-nspawn joins a network
 * namespace only after it has become the machine's root, which may enter none but its own. So it
 * makes them all.
 */
final class MachineUnit {
  private static final Duration START_TIMEOUT = Duration.ofSeconds(60);
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private MachineUnit() {}

  static TransientUnit of(Machine machine) {
    SandboxPlan sandbox = machine.sandbox();
    return TransientUnit.service(machine.unit())
        .description("Pod %s/%s".formatted(sandbox.namespace(), sandbox.name()))
        .slice(UnitName.of(sandbox.slice()))
        .type(ServiceType.NOTIFY)
        .notifyAccess(NotifyAccess.ALL)
        .delegate(true)
        .killMode(KillMode.MIXED)
        .timeoutStart(START_TIMEOUT)
        .timeoutStop(STOP_TIMEOUT)
        .environment(environment(machine))
        .execStart(command(machine), false)
        .with(List.of(UnitProperty.logExtraFields(machine.logFields())))
        .with(UnitProperty.tasksMax(UnitProperty.INFINITY))
        .build();
  }

  private static Map<String, String> environment(Machine machine) {
    Map<String, String> environment = new LinkedHashMap<>();
    if (machine.users().isEmpty()) {
      environment.put("SYSTEMD_NSPAWN_SHARE_NS_IPC", "1");
      environment.put("SYSTEMD_NSPAWN_SHARE_NS_UTS", "1");
      // what a container may not write is said by its own unit
      environment.put("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1");
    }
    // nor which system calls it may make: a filter of the machine's would hold for privileged ones
    environment.put("SYSTEMD_SECCOMP", "0");
    return environment;
  }

  /** How a command begins that is run in those namespaces that systemd-nspawn cannot be handed. */
  static List<String> entering(Map<Namespaces.Kind, Path> pins) {
    List<String> command = new ArrayList<>();
    if (pins.containsKey(Namespaces.Kind.IPC) || pins.containsKey(Namespaces.Kind.UTS)) {
      command.add("/usr/bin/nsenter");
      pins.forEach((kind, pin) -> {
        if (kind != Namespaces.Kind.NETWORK) {
          command.add("--%s=%s".formatted(kind.file(), pin));
        }
      });
      command.add("--");
    }
    return command;
  }

  private static List<String> command(Machine machine) {
    Optional<IdMapping> users = machine.users();
    List<String> command =
        new ArrayList<>(users.isPresent() ? List.of() : entering(machine.pins()));
    command.addAll(
        List.of(
            "/usr/bin/systemd-nspawn",
            "--quiet",
            "--settings=no",
            "--directory=" + machine.root(),
            "--machine=" + machine.name(),
            "--bind-ro=/usr",
            "--bind=%s:/pod".formatted(machine.shared()),
            "--notify-ready=yes",
            "--kill-signal=SIGRTMIN+3",
            "--keep-unit",
            "--register=no",
            "--capability=all",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe"));
    if (users.isPresent()) {
      command.add("--private-network");
      command.add("--private-users=%d:%d".formatted(users.get().outside(), users.get().length()));
      command.add("--private-users-ownership=map");
      machine.sandbox().hostname().ifPresent(name -> command.add("--hostname=" + name));
    } else {
      machine
          .sandbox()
          .networkNamespace()
          .ifPresent(pin -> command.add("--network-namespace-path=" + pin));
    }
    command.addAll(
        List.of(
            "/usr/lib/systemd/systemd",
            "systemd.unit=stage1.target",
            "systemd.log_target=console",
            "systemd.log_level=warning",
            "systemd.show_status=no"));
    return command;
  }
}
