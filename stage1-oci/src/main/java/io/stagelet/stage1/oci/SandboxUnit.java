package io.stagelet.stage1.oci;

import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.NotifyAccess;
import io.stagelet.units.ServiceType;
import io.stagelet.units.TransientUnit;
import io.stagelet.units.UnitName;
import io.stagelet.units.UnitProperty;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The unit of a sandbox. It has no process: it stands for the pod's namespaces, and takes their
 * pins away when it is stopped, by whomever. Only a pod whose containers share their PID namespace
 * has the one process that such a namespace must have.
 */
final class SandboxUnit {
  private static final String UNMOUNT = "/usr/bin/umount";
  private static final Duration START_TIMEOUT = Duration.ofSeconds(30);
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private SandboxUnit() {}

  static UnitName name(SandboxPlan sandbox) {
    return UnitName.readable(
        "pod", List.of(sandbox.namespace(), sandbox.name()), sandbox.id().shortened(), "service");
  }

  static TransientUnit of(SandboxPlan sandbox, Path init) {
    TransientUnit.ServiceBuilder unit =
        TransientUnit.service(name(sandbox))
            .description("Pod %s/%s".formatted(sandbox.namespace(), sandbox.name()))
            .slice(UnitName.of(sandbox.slice()))
            .timeoutStart(START_TIMEOUT)
            .timeoutStop(STOP_TIMEOUT)
            .with(List.of(UnitProperty.logExtraFields(logFields(sandbox))));
    if (sandbox.sharedPid()) {
      // the namespace's first process says itself when it is there: unshare(1) alone cannot be
      // waited for
      unit.type(ServiceType.NOTIFY)
          .notifyAccess(NotifyAccess.ALL)
          .execStart(firstProcess(sandbox, init), false);
    } else {
      unit.type(ServiceType.ONESHOT).remainAfterExit(true);
    }
    return unit.execStop(unmount(sandbox), true).build();
  }

  /** Its namespace belongs to the pod's user namespace: else no container could mount its /proc. */
  private static List<String> firstProcess(SandboxPlan sandbox, Path init) {
    List<String> command = new ArrayList<>();
    if (sandbox.ids().isPresent()) {
      Path users = SandboxNamespaces.pins(sandbox).getOrDefault(Namespaces.Kind.USER, Path.of("/"));
      command.addAll(List.of("/usr/bin/nsenter", "--user=" + users));
    }
    command.addAll(
        List.of(
            "/usr/bin/unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "/bin/sh",
            "-c",
            "systemd-notify --ready && exec \"$0\" -P",
            init.toString()));
    return command;
  }

  /** By which the journal finds what systemd says about a pod's units. */
  static Map<String, String> logFields(SandboxPlan sandbox) {
    return Map.of(
        "POD_ID", sandbox.id().value(),
        "K8S_NAMESPACE_NAME", sandbox.namespace(),
        "K8S_POD_NAME", sandbox.name());
  }

  private static List<String> unmount(SandboxPlan sandbox) {
    List<String> command = new ArrayList<>(List.of(UNMOUNT, "--lazy", "--quiet"));
    SandboxNamespaces.pins(sandbox).values().stream().map(Path::toString).forEach(command::add);
    if (sandbox.sharedPid()) {
      command.add(SandboxNamespaces.pid(sandbox).toString());
    }
    command.add(SandboxNamespaces.sharedMemory(sandbox).toString());
    return command;
  }
}
