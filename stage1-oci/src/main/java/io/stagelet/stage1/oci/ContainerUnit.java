package io.stagelet.stage1.oci;

import io.stagelet.limits.DelegatedFiles;
import io.stagelet.limits.Limits;
import io.stagelet.linux.Namespaces;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.SandboxPlan;
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

/**
 * The unit of a container.
 *
 * <pre>
 *   ExecStart      create   the runtime makes the container and exits; the PID file names its first process,
 *                           which is orphaned to systemd and waits
 *   ExecStartPost  start    the first process goes on to be the application
 * </pre>
 *
 * <p>Where the processes of a checkpoint go on:
 *
 * <pre>
 *   ExecStart      restore  the runtime has criu make the processes anew, as they were, and exits; as above
 *   ExecStartPost           the host's name is the pod's again
 * </pre>
 *
 * <p>The runtime is made to forget the container by the server, once the unit is down ({@link
 * OciRuntime#forget}). As an {@code ExecStopPost} it would run in the container's own cgroup, which
 * runc freezes, and itself with it, to kill what is left of a container without a PID namespace of
 * its own.
 */
final class ContainerUnit {
  private static final Duration START_TIMEOUT = Duration.ofSeconds(90);

  /**
   * What a container may do with devices besides those it is given: make nodes, and use its
   * terminals.
   */
  private static final List<UnitProperty.DeviceRule> COMMON_DEVICES =
      List.of(
          new UnitProperty.DeviceRule("char-*", "m"),
          new UnitProperty.DeviceRule("block-*", "m"),
          new UnitProperty.DeviceRule("char-pts", "rwm"),
          new UnitProperty.DeviceRule("/dev/ptmx", "rwm"));

  private ContainerUnit() {}

  static UnitName name(ContainerPlan container) {
    SandboxPlan sandbox = container.sandbox();
    return UnitName.readable(
        "ctr",
        List.of(sandbox.namespace(), sandbox.name(), container.name()),
        container.id().shortened(),
        "service");
  }

  static Path log(ContainerPlan container) {
    return container.directory().resolve("runtime.log");
  }

  /** What is to be written to the container's cgroup before it is created, if anything is. */
  static Path cgroupWrites(ContainerPlan container) {
    return container.directory().resolve("cgroup-writes");
  }

  /** What the kernel said to these. */
  static Path cgroupComplaints(ContainerPlan container) {
    return container.directory().resolve("cgroup-writes.log");
  }

  static Path pidFile(ContainerPlan container) {
    return container.directory().resolve("pid");
  }

  /** Where the runtime hands the terminal over: short, as a socket's path must be. */
  static Path consoleSocket(ContainerPlan container, OciRuntime runtime) {
    return runtime.root().resolve("tty-" + container.id().shortened());
  }

  /** A terminal's container has its streams from the runtime; nothing else has anything to say. */
  private static void streams(ContainerPlan container, TransientUnit.ServiceBuilder unit) {
    if (container.process().terminal()) {
      unit.standardOutputNull().standardErrorNull();
      return;
    }
    unit.standardOutputFile(container.stdout()).standardErrorFile(container.stderr());
  }

  private static List<String> make(
      ContainerPlan container, OciRuntime runtime, boolean writesToCgroup) {
    List<String> arguments =
        new ArrayList<>(
            container
                .checkpoint()
                .map(checkpoint -> restore(container, checkpoint))
                .orElse(List.of("create")));
    arguments.addAll(
        List.of(
            "--bundle",
            container.directory().toString(),
            "--pid-file",
            pidFile(container).toString()));
    if (container.process().terminal()) {
      arguments.addAll(List.of("--console-socket", consoleSocket(container, runtime).toString()));
    }
    arguments.add(container.id().value());
    List<String> runs = new ArrayList<>();
    if (container.checkpoint().isPresent()) {
      runs.addAll(List.of("/usr/bin/env", "CRIU_CONFIG_FILE=" + Criu.options(container)));
    }
    runs.addAll(runtime.command(log(container), arguments.toArray(String[]::new)));
    List<String> command =
        writesToCgroup
            ? DelegatedFiles.before(runs, cgroupWrites(container), cgroupComplaints(container))
            : runs;
    return container.stdin().map(fifo -> reading(fifo, command)).orElse(command);
  }

  /** criu gives the pod's namespace the name that the container's earlier pod had. */
  private static List<String> nameHost(SandboxPlan sandbox, String hostname) {
    return List.of(
        "/usr/bin/nsenter",
        "--uts=" + SandboxNamespaces.pins(sandbox).get(Namespaces.Kind.UTS),
        "/bin/sh",
        "-c",
        "echo \"$0\" > /proc/sys/kernel/hostname",
        hostname);
  }

  private static List<String> restore(ContainerPlan container, Path checkpoint) {
    return List.of(
        "restore",
        "--detach",
        "--ext-unix-sk",
        "--file-locks",
        "--image-path",
        Criu.images(checkpoint).toString(),
        "--work-path",
        container.directory().toString());
  }

  /**
   * Only the container itself reads its input: as the unit's, every later command would open it
   * too, and wait there when its other end is closed.
   */
  private static List<String> reading(Path fifo, List<String> command) {
    List<String> shell =
        new ArrayList<>(List.of("/bin/sh", "-c", "exec \"$@\" < \"$0\"", fifo.toString()));
    shell.addAll(command);
    return shell;
  }

  /**
   * The unit.
   *
   * @param writesToCgroup whether there is a file {@link #cgroupWrites}
   */
  static TransientUnit of(
      ContainerPlan container, OciRuntime runtime, Limits limits, boolean writesToCgroup) {
    SandboxPlan sandbox = container.sandbox();
    UnitName pod = SandboxUnit.name(sandbox);
    String id = container.id().value();
    TransientUnit.ServiceBuilder unit = TransientUnit.service(name(container));
    streams(container, unit);
    if (container.checkpoint().isEmpty()) {
      unit.execStartPost(runtime.command(log(container), "start", id), false);
    } else {
      sandbox
          .hostname()
          .ifPresent(hostname -> unit.execStartPost(nameHost(sandbox, hostname), false));
    }
    return unit.description(
            "Container %s of pod %s/%s"
                .formatted(container.name(), sandbox.namespace(), sandbox.name()))
        .slice(UnitName.of(sandbox.slice()))
        .bindsTo(pod)
        .after(pod)
        .type(ServiceType.FORKING)
        .pidFile(pidFile(container))
        .delegate(true)
        .remainAfterExit(true)
        .killMode(KillMode.MIXED)
        .killSignal(container.stopSignal())
        .timeoutStart(START_TIMEOUT)
        .timeoutStop(container.grace())
        .oomPolicy(OomPolicy.CONTINUE)
        .execStart(make(container, runtime, writesToCgroup), false)
        .with(List.of(UnitProperty.logExtraFields(logFields(container))))
        .with(devices(container))
        .with(limits.properties())
        .build();
  }

  /** What the container's output carries too, so that systemd's words are found with it. */
  private static Map<String, String> logFields(ContainerPlan container) {
    Map<String, String> fields = new LinkedHashMap<>(SandboxUnit.logFields(container.sandbox()));
    fields.put("CONTAINER_ID_FULL", container.id().value());
    fields.put("K8S_CONTAINER_NAME", container.name());
    return fields;
  }

  /** systemd finds a device by its node, and by a path that says its number. */
  private static String rulePath(ContainerPlan.Device device) {
    return device
        .node()
        .filter(node -> node.major().isPresent() && node.minor().isPresent())
        .map(node ->
            "/dev/%s/%d:%d"
                .formatted(
                    node.type().orElse("c").equals("b") ? "block" : "char",
                    node.major().get(),
                    node.minor().get()))
        .orElse(device.source().toString());
  }

  private static List<UnitProperty> devices(ContainerPlan container) {
    if (container.security().privileged()) {
      return List.of(UnitProperty.devicePolicy(DevicePolicy.AUTO));
    }
    List<UnitProperty.DeviceRule> rules = new ArrayList<>(COMMON_DEVICES);
    for (ContainerPlan.Device device : container.devices()) {
      rules.add(new UnitProperty.DeviceRule(rulePath(device), device.permissions()));
    }
    return List.of(UnitProperty.devicePolicy(DevicePolicy.CLOSED), UnitProperty.deviceAllow(rules));
  }
}
