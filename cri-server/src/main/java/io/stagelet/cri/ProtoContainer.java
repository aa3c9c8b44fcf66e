package io.stagelet.cri;

import io.stagelet.cri.v1.CDIDevice;
import io.stagelet.cri.v1.Capability;
import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.ContainerResources;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.ContainerUser;
import io.stagelet.cri.v1.HugepageLimit;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.cri.v1.LinuxContainerSecurityContext;
import io.stagelet.cri.v1.LinuxContainerUser;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.MountPropagation;
import io.stagelet.cri.v1.SecurityProfile;
import io.stagelet.cri.v1.Signal;
import io.stagelet.cri.v1.SupplementalGroupsPolicy;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxId;
import java.nio.file.Path;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Containers as CRI says them, and back. */
final class ProtoContainer {
  private static final String SIGNAL_PREFIX = "SIGNAL_";

  private ProtoContainer() {}

  /**
   * What CreateContainer asks for.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when a field that must be there is not,
   *     {@code UNIMPLEMENTED} when one is that is not built yet
   */
  static ContainerRequest request(SandboxId sandbox, ContainerConfig config) {
    if (config.getMetadata().getName().isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "the container's metadata must have a name");
    }
    if (config.getImage().getImage().isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "container %s names no image".formatted(config.getMetadata().getName()));
    }
    String userImage = config.getImage().getUserSpecifiedImage();
    return new ContainerRequest(
        sandbox,
        config.getMetadata().getName(),
        config.getMetadata().getAttempt(),
        config.getImage().getImage(),
        userImage.isEmpty() ? config.getImage().getImage() : userImage,
        config.getCommandList(),
        config.getArgsList(),
        config.getWorkingDir(),
        config.getEnvsList().stream()
            .map(env -> env.getKey() + "=" + env.getValue().toStringUtf8())
            .toList(),
        config.getMountsList().stream().map(mount -> mount(config, mount)).toList(),
        config.getDevicesList().stream()
            .map(device ->
                new ContainerPlan.Device(
                    Path.of(device.getHostPath()),
                    device.getContainerPath(),
                    device.getPermissions()))
            .toList(),
        config.getLabelsMap(),
        config.getAnnotationsMap(),
        config.getLogPath(),
        config.getStdin(),
        config.getStdinOnce(),
        config.getTty(),
        resources(config.getLinux().getResources()),
        security(config.getLinux().getSecurityContext()),
        config.getStopSignal() == Signal.SIGNAL_RUNTIME_DEFAULT
            ? ""
            : config
                .getStopSignal()
                .name()
                .substring(SIGNAL_PREFIX.length())
                .replace("RTMINPLUS", "RTMIN+")
                .replace("RTMAXMINUS", "RTMAX-"),
        CdiDevices.asked(
            config.getCDIDevicesList().stream().map(CDIDevice::getName).toList(),
            config.getAnnotationsMap()));
  }

  private static ContainerRecord.MountRecord mount(ContainerConfig config, Mount mount) {
    if (mount.hasImage() && !mount.getReadonly()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the mount %s of container %s is an image volume, and so must be readonly"
              .formatted(mount.getContainerPath(), config.getMetadata().getName()));
    }
    String propagation =
        switch (mount.getPropagation()) {
          case PROPAGATION_PRIVATE -> ContainerPlan.Propagation.PRIVATE.name();
          case PROPAGATION_HOST_TO_CONTAINER -> ContainerPlan.Propagation.HOST_TO_CONTAINER.name();
          case PROPAGATION_BIDIRECTIONAL -> ContainerPlan.Propagation.BIDIRECTIONAL.name();
          case UNRECOGNIZED ->
              throw new StageletException(
                  ErrorCode.INVALID_ARGUMENT,
                  "the mount %s has an unknown propagation".formatted(mount.getContainerPath()));
        };
    return new ContainerRecord.MountRecord(
        mount.getHostPath(),
        mount.getContainerPath(),
        mount.getReadonly(),
        mount.getRecursiveReadOnly(),
        mount.getSelinuxRelabel(),
        propagation,
        mount.getUidMappingsCount() > 0 || mount.getGidMappingsCount() > 0,
        mount.hasImage()
            ? Optional.of(
                new ContainerRecord.ImageVolume(
                    mount.getImage().getImage(),
                    mount.getImage().getUserSpecifiedImage(),
                    "",
                    mount.getImageSubPath()))
            : Optional.empty(),
        mount.getMountOptionsList());
  }

  static ContainerPlan.Resources resources(LinuxContainerResources resources) {
    return new ContainerPlan.Resources(
        resources.getCpuShares(),
        resources.getCpuQuota(),
        resources.getCpuPeriod(),
        resources.getMemoryLimitInBytes(),
        resources.getMemorySwapLimitInBytes(),
        resources.getCpusetCpus(),
        resources.getCpusetMems(),
        Math.toIntExact(resources.getOomScoreAdj()),
        resources.getHugepageLimitsList().stream()
            .collect(
                Collectors.toMap(
                    HugepageLimit::getPageSize, HugepageLimit::getLimit, (_, last) -> last)),
        resources.getUnifiedMap());
  }

  private static ContainerRequest.Security security(LinuxContainerSecurityContext context) {
    Capability capabilities = context.getCapabilities();
    return new ContainerRequest.Security(
        context.getPrivileged(),
        context.getReadonlyRootfs(),
        context.getNoNewPrivs(),
        capabilities.getAddCapabilitiesList(),
        capabilities.getDropCapabilitiesList(),
        capabilities.getAddAmbientCapabilitiesList(),
        context.hasRunAsUser() ? Optional.of(context.getRunAsUser().getValue()) : Optional.empty(),
        context.getRunAsUsername(),
        context.hasRunAsGroup()
            ? Optional.of(context.getRunAsGroup().getValue())
            : Optional.empty(),
        context.getSupplementalGroupsList(),
        context.getSupplementalGroupsPolicy() == SupplementalGroupsPolicy.Strict,
        context.getMaskedPathsList(),
        context.getReadonlyPathsList(),
        ProtoSandbox.mode(context.getNamespaceOptions().getPid()),
        context.getNamespaceOptions().getTargetId(),
        context.hasSeccomp() ? profile(context.getSeccomp()) : deprecatedProfile(context),
        context.hasApparmor() ? profile(context.getApparmor()) : deprecatedAppArmor(context),
        ProtoSandbox.selinux(context.getSelinuxOptions()));
  }

  private static ContainerRequest.Profile profile(SecurityProfile profile) {
    return switch (profile.getProfileType()) {
      case RuntimeDefault ->
          new ContainerRequest.Profile(ContainerRequest.Profile.Kind.RUNTIME_DEFAULT, "");
      case Unconfined -> new ContainerRequest.Profile(ContainerRequest.Profile.Kind.UNCONFINED, "");
      case Localhost ->
          new ContainerRequest.Profile(
              ContainerRequest.Profile.Kind.LOCALHOST, profile.getLocalhostRef());
      case UNRECOGNIZED ->
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT, "there is no such security profile type");
    };
  }

  /** The string that came before the structured field, which wins over it. */
  @SuppressWarnings("deprecation")
  private static ContainerRequest.Profile deprecatedProfile(LinuxContainerSecurityContext context) {
    String path = context.getSeccompProfilePath();
    return switch (path) {
      case "", "unconfined" ->
          new ContainerRequest.Profile(ContainerRequest.Profile.Kind.UNCONFINED, "");
      case "runtime/default", "docker/default" ->
          new ContainerRequest.Profile(ContainerRequest.Profile.Kind.RUNTIME_DEFAULT, "");
      default -> {
        if (!path.startsWith("localhost/")) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT, "'%s' is not a seccomp profile".formatted(path));
        }
        yield new ContainerRequest.Profile(
            ContainerRequest.Profile.Kind.LOCALHOST, path.substring("localhost/".length()));
      }
    };
  }

  /** Likewise; without a word of it, the default holds, as it does with other runtimes. */
  @SuppressWarnings("deprecation")
  private static ContainerRequest.Profile deprecatedAppArmor(
      LinuxContainerSecurityContext context) {
    String name = context.getApparmorProfile();
    return switch (name) {
      case "", "runtime/default" ->
          new ContainerRequest.Profile(ContainerRequest.Profile.Kind.RUNTIME_DEFAULT, "");
      case "unconfined" ->
          new ContainerRequest.Profile(ContainerRequest.Profile.Kind.UNCONFINED, "");
      default -> {
        if (!name.startsWith("localhost/")) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT, "'%s' is not an AppArmor profile".formatted(name));
        }
        yield new ContainerRequest.Profile(
            ContainerRequest.Profile.Kind.LOCALHOST, name.substring("localhost/".length()));
      }
    };
  }

  /** An entry of ListContainers. */
  static Container listed(ContainerRecord container) {
    return Container.newBuilder()
        .setId(container.plan().id().value())
        .setPodSandboxId(container.plan().sandbox().id().value())
        .setMetadata(metadata(container))
        .setImage(image(container))
        .setImageRef(container.imageReference())
        .setImageId(container.imageId())
        .setState(state(container))
        .setCreatedAt(ProtoSandbox.nanoseconds(container.createdAt()))
        .putAllLabels(container.labels())
        .putAllAnnotations(container.annotations())
        .build();
  }

  /** What ContainerStatus answers. */
  static ContainerStatus status(ContainerRecord container) {
    ContainerStatus.Builder status =
        ContainerStatus.newBuilder()
            .setId(container.plan().id().value())
            .setMetadata(metadata(container))
            .setState(state(container))
            .setCreatedAt(ProtoSandbox.nanoseconds(container.createdAt()))
            .setImage(image(container))
            .setImageRef(container.imageReference())
            .setImageId(container.imageId())
            .putAllLabels(container.labels())
            .putAllAnnotations(container.annotations())
            .setLogPath(container.logPath().map(Path::toString).orElse(""))
            .setResources(
                ContainerResources.newBuilder().setLinux(resources(container.plan().resources())))
            .setUser(user(container.plan().process().user()))
            .setStopSignal(stopSignal(container.stopSignal()));
    container.mounts().forEach(mount -> status.addMounts(mount(mount)));
    switch (container.life()) {
      case ContainerRecord.Created _ -> {}
      case ContainerRecord.Running running ->
          status.setStartedAt(ProtoSandbox.nanoseconds(running.startedAt()));
      case ContainerRecord.Exited exited -> {
        status.setFinishedAt(ProtoSandbox.nanoseconds(exited.finishedAt()));
        status.setStartedAt(exited.startedAt().map(ProtoSandbox::nanoseconds).orElse(0L));
        status.setExitCode(exited.exitCode());
        status.setReason(exited.reason());
        status.setMessage(exited.message());
      }
    }
    return status.build();
  }

  /** Whether a filter lets a container through; an empty field of it lets everything. */
  static boolean matches(ContainerFilter filter, ContainerRecord container) {
    return (filter.getId().isEmpty() || container.plan().id().value().startsWith(filter.getId()))
        && (filter.getPodSandboxId().isEmpty()
            || container.plan().sandbox().id().value().startsWith(filter.getPodSandboxId()))
        && (!filter.hasState() || filter.getState().getState() == state(container))
        && ProtoSandbox.hasAll(container.labels(), filter.getLabelSelectorMap());
  }

  private static Mount mount(ContainerRecord.MountRecord mount) {
    MountPropagation propagation =
        switch (ContainerPlan.Propagation.valueOf(mount.propagation())) {
          case PRIVATE -> MountPropagation.PROPAGATION_PRIVATE;
          case HOST_TO_CONTAINER -> MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
          case BIDIRECTIONAL -> MountPropagation.PROPAGATION_BIDIRECTIONAL;
        };
    Mount.Builder answer = Mount.newBuilder();
    mount
        .image()
        .ifPresentOrElse(
            volume ->
                answer
                    .setImage(
                        ImageSpec.newBuilder()
                            .setImage(volume.image())
                            .setUserSpecifiedImage(volume.userImage())
                            .setImageRef(volume.id()))
                    .setImageSubPath(volume.subPath()),
            () -> answer.setHostPath(mount.hostPath()));
    return answer
        .setContainerPath(mount.containerPath())
        .setReadonly(mount.readOnly())
        .setRecursiveReadOnly(mount.recursiveReadOnly())
        .setSelinuxRelabel(mount.relabel())
        .addAllMountOptions(mount.options())
        .setPropagation(propagation)
        .build();
  }

  static ContainerMetadata metadata(ContainerRecord container) {
    return ContainerMetadata.newBuilder()
        .setName(container.plan().name())
        .setAttempt(container.attempt())
        .build();
  }

  private static ImageSpec image(ContainerRecord container) {
    return ImageSpec.newBuilder()
        .setImage(container.image())
        .setUserSpecifiedImage(container.image())
        .build();
  }

  static LinuxContainerResources resources(ContainerPlan.Resources resources) {
    return LinuxContainerResources.newBuilder()
        .setCpuShares(resources.cpuShares())
        .setCpuQuota(resources.cpuQuota())
        .setCpuPeriod(resources.cpuPeriod())
        .setMemoryLimitInBytes(resources.memoryLimit())
        .setMemorySwapLimitInBytes(resources.swapLimit())
        .setCpusetCpus(resources.cpus())
        .setCpusetMems(resources.memoryNodes())
        .setOomScoreAdj(resources.oomScoreAdjust())
        .addAllHugepageLimits(
            new TreeMap<>(resources.hugepages())
                .entrySet().stream()
                    .map(limit ->
                        HugepageLimit.newBuilder()
                            .setPageSize(limit.getKey())
                            .setLimit(limit.getValue())
                            .build())
                    .toList())
        .putAllUnified(resources.unified())
        .build();
  }

  private static ContainerUser user(ExecPlan.User user) {
    return ContainerUser.newBuilder()
        .setLinux(
            LinuxContainerUser.newBuilder()
                .setUid(user.uid())
                .setGid(user.gid())
                .addSupplementalGroups(user.gid())
                .addAllSupplementalGroups(
                    user.additionalGroups().stream().filter(group -> group != user.gid()).toList()))
        .build();
  }

  private static Signal stopSignal(String name) {
    return Signal.valueOf(
        SIGNAL_PREFIX + name.replace("RTMIN+", "RTMINPLUS").replace("RTMAX-", "RTMAXMINUS"));
  }

  private static ContainerState state(ContainerRecord container) {
    return switch (container.life()) {
      case ContainerRecord.Created _ -> ContainerState.CONTAINER_CREATED;
      case ContainerRecord.Running _ -> ContainerState.CONTAINER_RUNNING;
      case ContainerRecord.Exited _ -> ContainerState.CONTAINER_EXITED;
    };
  }
}
