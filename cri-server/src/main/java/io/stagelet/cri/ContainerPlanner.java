package io.stagelet.cri;

import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageConfig;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.SelinuxLabels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/** Turns what CreateContainer asks for, the image and the sandbox into what a stage1 is told. */
final class ContainerPlanner {
  private static final String DEFAULT_PATH =
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  private static final String DEFAULT_STOP_SIGNAL = "SIGTERM";
  private static final Duration DEFAULT_GRACE = Duration.ofSeconds(30);

  /** kubelet says the pod's grace period in this annotation of each container, in seconds. */
  private static final String GRACE_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod";

  private static final int DATABASE_LIMIT = 4 << 20;

  private final Capabilities capabilities;
  private final SeccompDefault seccompDefault;
  private final AppArmor appArmor;
  private final CdiDevices cdi;
  private final Supplier<BlockIoClasses> blockIo;

  ContainerPlanner(
      Capabilities capabilities,
      SeccompDefault seccompDefault,
      AppArmor appArmor,
      CdiDevices cdi,
      Supplier<BlockIoClasses> blockIo) {
    this.cdi = cdi;
    this.blockIo = blockIo;
    this.capabilities = capabilities;
    this.appArmor = appArmor;
    this.seccompDefault = seccompDefault;
  }

  /** Where a container's things are: all exist, and the root filesystem is mounted. */
  record Places(Path directory, Path rootfs, Path stdout, Path stderr, Path stdin) {}

  /**
   * The record of a container that is about to be made.
   *
   * @param sandboxFiles the files of the sandbox that are mounted where kubelet mounts nothing of
   *     its own
   * @param targetUnit the unit of the container whose processes it sees, if it does
   * @param labels its labels; absent where SELinux is off
   * @throws StageletException {@code INVALID_ARGUMENT} or {@code UNIMPLEMENTED} with what cannot be
   *     had
   */
  ContainerRecord record(
      ContainerId id,
      ContainerRequest request,
      Image image,
      SandboxRecord sandbox,
      List<ContainerRecord.MountRecord> sandboxFiles,
      Places places,
      Optional<String> targetUnit,
      Optional<SelinuxLabels> labels,
      Instant now) {
    ImageConfig config = image.config();
    String stopSignal =
        firstNonEmpty(request.stopSignal(), config.stopSignal(), DEFAULT_STOP_SIGNAL);
    ContainerRequest.Security security = request.security();
    SandboxPlan sandboxPlan = sandbox.plan();
    CdiEdits edits = cdi.edits(request.cdiDevices());
    ContainerPlan plan =
        new ContainerPlan(
            id,
            request.name(),
            sandboxPlan,
            places.directory(),
            places.rootfs(),
            edits.on(process(request, config, sandboxPlan, places.rootfs())),
            mounts(request, sandboxFiles, edits, labels),
            devices(request, edits),
            new ContainerPlan.Security(
                security.privileged(),
                security.readOnlyRootfs(),
                capabilities.of(security),
                capabilities.ambient(security),
                security.privileged() ? List.of() : security.maskedPaths(),
                security.privileged() ? List.of() : security.readOnlyPaths(),
                security.privileged() ? Optional.empty() : appArmor.profile(security.apparmor()),
                labels.flatMap(SelinuxLabels::process),
                labels.map(SelinuxLabels::files),
                seccomp(security)),
            resources(request, sandbox),
            places.stdout(),
            places.stderr(),
            request.stdin() && !request.terminal() ? Optional.of(places.stdin()) : Optional.empty(),
            Signals.number(stopSignal),
            grace(request.annotations()),
            new ContainerPlan.Pids(
                switch (security.pid()) {
                  case POD ->
                      sandboxPlan.sharedPid()
                          ? ContainerPlan.Pids.Sharing.POD
                          : ContainerPlan.Pids.Sharing.OWN;
                  case CONTAINER -> ContainerPlan.Pids.Sharing.OWN;
                  case NODE -> ContainerPlan.Pids.Sharing.HOST;
                  case TARGET -> ContainerPlan.Pids.Sharing.TARGET;
                },
                targetUnit),
            edits.hooks());
    return new ContainerRecord(
        plan,
        request.attempt(),
        request.userImage(),
        image.id().toString(),
        image.digests().isEmpty() ? image.id().toString() : image.digests().getFirst(),
        logPath(request, sandbox),
        request.mounts(),
        request.stdinOnce(),
        Signals.name(Signals.number(stopSignal)),
        request.labels(),
        request.annotations(),
        now,
        new ContainerRecord.Created());
  }

  /** What is asked for by name of a file goes before what the class says of it. */
  private ContainerPlan.Resources resources(ContainerRequest request, SandboxRecord sandbox) {
    List.of(request.annotations(), sandbox.annotations())
        .forEach(annotations -> refuseCacheClasses(request.name(), annotations.keySet()));
    return ContainerPlan.Resources.NONE
        .withUnified(
            blockIo.get().files(request.name(), request.annotations(), sandbox.annotations()))
        .changedBy(request.resources());
  }

  /** Shares of the processor's cache and memory bandwidth (Intel RDT) are not built. */
  private static void refuseCacheClasses(String container, Set<String> annotations) {
    for (String annotation :
        List.of(
            "io.kubernetes.cri.rdt-class",
            "rdt.resources.beta.kubernetes.io/pod",
            "rdt.resources.beta.kubernetes.io/container." + container)) {
      if (annotations.contains(annotation)) {
        throw new StageletException(
            ErrorCode.UNIMPLEMENTED,
            "container %s asks for an RDT class (annotation %s), which is not built; take the annotation away"
                .formatted(container, annotation));
      }
    }
  }

  private static ExecPlan process(
      ContainerRequest request, ImageConfig config, SandboxPlan sandbox, Path rootfs) {
    List<String> arguments = arguments(request, config);
    UserDatabase users =
        new UserDatabase(
            ConfinedFiles.readText(rootfs, "etc/passwd", DATABASE_LIMIT).orElse(""),
            ConfinedFiles.readText(rootfs, "etc/group", DATABASE_LIMIT).orElse(""));
    return new ExecPlan(
        arguments,
        environment(request, config, sandbox),
        firstNonEmpty(request.workingDirectory(), config.workingDirectory(), "/"),
        users.resolve(request.security(), config.user()),
        request.terminal(),
        request.security().noNewPrivileges());
  }

  /**
   * As Kubernetes documents it: a command replaces the entry point and drops the image's command.
   */
  private static List<String> arguments(ContainerRequest request, ImageConfig config) {
    List<String> arguments = new ArrayList<>();
    if (!request.command().isEmpty()) {
      arguments.addAll(request.command());
      arguments.addAll(request.arguments());
    } else {
      arguments.addAll(config.entrypoint());
      arguments.addAll(request.arguments().isEmpty() ? config.command() : request.arguments());
    }
    if (arguments.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "container %s has no command: neither the pod nor the image %s names one"
              .formatted(request.name(), request.userImage()));
    }
    return arguments;
  }

  private static List<String> environment(
      ContainerRequest request, ImageConfig config, SandboxPlan sandbox) {
    Map<String, String> byName = new LinkedHashMap<>();
    byName.put("PATH", DEFAULT_PATH);
    sandbox.hostname().ifPresent(hostname -> byName.put("HOSTNAME", "HOSTNAME=" + hostname));
    if (request.terminal()) {
      byName.put("TERM", "TERM=xterm");
    }
    config.environment().forEach(variable -> byName.put(nameOf(variable), variable));
    request.environment().forEach(variable -> byName.put(nameOf(variable), variable));
    return List.copyOf(byName.values());
  }

  private static String nameOf(String variable) {
    int equals = variable.indexOf('=');
    return equals < 0 ? variable : variable.substring(0, equals);
  }

  /** Outer ones first, whatever order they are named in: one inside another is over it. */
  private static List<ContainerPlan.Mount> mounts(
      ContainerRequest request,
      List<ContainerRecord.MountRecord> sandboxFiles,
      CdiEdits edits,
      Optional<SelinuxLabels> labels) {
    List<ContainerRecord.MountRecord> wanted = new ArrayList<>();
    for (ContainerRecord.MountRecord file : sandboxFiles) {
      if (request.mounts().stream()
          .noneMatch(mount -> mount.containerPath().equals(file.containerPath()))) {
        wanted.add(
            new ContainerRecord.MountRecord(
                file.hostPath(),
                file.containerPath(),
                request.security().readOnlyRootfs(),
                false,
                false,
                file.propagation(),
                file.mapped(),
                Optional.empty(),
                List.of()));
      }
    }
    wanted.addAll(request.mounts());
    wanted.addAll(edits.mounts());
    return wanted.stream()
        .map(mount -> mount(request, mount, labels))
        .sorted(Comparator.comparingInt(mount -> Path.of(mount.destination()).getNameCount()))
        .toList();
  }

  private static ContainerPlan.Mount mount(
      ContainerRequest request, ContainerRecord.MountRecord mount, Optional<SelinuxLabels> labels) {
    ContainerPlan.Propagation propagation = ContainerPlan.Propagation.valueOf(mount.propagation());
    if (mount.recursiveReadOnly()
        && (!mount.readOnly() || propagation != ContainerPlan.Propagation.PRIVATE)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the mount %s of container %s is recursive_read_only, which wants readonly and private propagation"
              .formatted(mount.containerPath(), request.name()));
    }
    if (!mount.containerPath().startsWith("/")) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the mount path '%s' of container %s is not absolute"
              .formatted(mount.containerPath(), request.name()));
    }
    Path source = source(request, mount);
    if (mount.relabel()) {
      labels.ifPresent(label -> Selinux.relabel(source, label.files()));
    }
    return new ContainerPlan.Mount(
        source,
        mount.containerPath(),
        mount.readOnly(),
        mount.recursiveReadOnly(),
        propagation,
        mount.mapped(),
        mount.options());
  }

  /**
   * Symbolic links of the host are followed, and a missing directory is made, as other runtimes do.
   */
  private static Path source(ContainerRequest request, ContainerRecord.MountRecord mount) {
    Path source = Path.of(mount.hostPath());
    try {
      if (!Files.exists(source)) {
        Files.createDirectories(source);
      }
      return source.toRealPath();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the host path %s of container %s cannot be mounted: %s"
              .formatted(source, request.name(), StageletException.reason(failure)),
          failure);
    }
  }

  /** A privileged container gets every device of the host. */
  private static List<ContainerPlan.Device> devices(ContainerRequest request, CdiEdits edits) {
    Map<String, ContainerPlan.Device> byPath = new LinkedHashMap<>();
    (request.security().privileged() ? HostDevices.all(Path.of("/dev")) : request.devices())
        .forEach(device -> byPath.put(device.destination(), device));
    edits.devices().forEach(device -> byPath.put(device.destination(), device));
    return List.copyOf(byPath.values());
  }

  private Optional<String> seccomp(ContainerRequest.Security security) {
    if (security.privileged()) {
      return Optional.empty();
    }
    return switch (security.seccomp().kind()) {
      case UNCONFINED -> Optional.empty();
      case RUNTIME_DEFAULT -> Optional.of(seccompDefault.profile(capabilities.of(security)));
      case LOCALHOST -> {
        try {
          yield Optional.of(Files.readString(Path.of(security.seccomp().path())));
        } catch (IOException failure) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "the seccomp profile %s cannot be read: %s"
                  .formatted(security.seccomp().path(), StageletException.reason(failure)),
              failure);
        }
      }
    };
  }

  private static Optional<Path> logPath(ContainerRequest request, SandboxRecord sandbox) {
    if (request.logPath().isEmpty() || sandbox.logDirectory().isEmpty()) {
      return Optional.empty();
    }
    Path directory = Path.of(sandbox.logDirectory());
    Path path = directory.resolve(request.logPath()).normalize();
    if (!directory.isAbsolute() || !path.startsWith(directory.normalize())) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the log path '%s' leads out of the pod's log directory '%s'"
              .formatted(request.logPath(), directory));
    }
    return Optional.of(path);
  }

  private static Duration grace(Map<String, String> annotations) {
    String seconds = annotations.getOrDefault(GRACE_ANNOTATION, "");
    return seconds.matches("[0-9]{1,9}")
        ? Duration.ofSeconds(Long.parseLong(seconds))
        : DEFAULT_GRACE;
  }

  private static String firstNonEmpty(String... candidates) {
    for (String candidate : candidates) {
      if (!candidate.isEmpty()) {
        return candidate;
      }
    }
    return "";
  }
}
