package io.stagelet.cri;

import io.stagelet.stage0.CheckpointArchive;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.SandboxId;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What CreateContainer asks for.
 *
 * @param image the image that kubelet resolved: an id, or a name
 * @param userImage the image as the user named it
 * @param command replaces the image's entry point when not empty
 * @param arguments replaces the image's command when not empty
 * @param workingDirectory empty for the image's
 * @param logPath relative to the sandbox's log directory; empty for none
 * @param stopSignal such as {@code SIGTERM}; empty for the image's
 * @param cdiDevices the names of CDI devices, such as {@code vendor.com/class=name}
 */
record ContainerRequest(
    SandboxId sandbox,
    String name,
    int attempt,
    String image,
    String userImage,
    List<String> command,
    List<String> arguments,
    String workingDirectory,
    List<String> environment,
    List<ContainerRecord.MountRecord> mounts,
    List<ContainerPlan.Device> devices,
    Map<String, String> labels,
    Map<String, String> annotations,
    String logPath,
    boolean stdin,
    boolean stdinOnce,
    boolean terminal,
    ContainerPlan.Resources resources,
    Security security,
    String stopSignal,
    List<String> cdiDevices) {
  /**
   * The security context.
   *
   * @param userName a name to be looked up in the image; empty for none
   * @param strictGroups whether the groups that the image's database gives the user are left out
   * @param targetContainer whose processes it sees, with the mode TARGET
   * @param seccomp what is asked for
   * @param apparmor what is asked for
   * @param selinux likewise
   */
  record Security(
      boolean privileged,
      boolean readOnlyRootfs,
      boolean noNewPrivileges,
      List<String> addCapabilities,
      List<String> dropCapabilities,
      List<String> addAmbientCapabilities,
      Optional<Long> userId,
      String userName,
      Optional<Long> groupId,
      List<Long> supplementalGroups,
      boolean strictGroups,
      List<String> maskedPaths,
      List<String> readOnlyPaths,
      SandboxRequest.NamespaceMode pid,
      String targetContainer,
      Profile seccomp,
      Profile apparmor,
      SelinuxOptions selinux) {}

  ContainerRequest with(List<ContainerRecord.MountRecord> otherMounts) {
    return new ContainerRequest(
        sandbox,
        name,
        attempt,
        image,
        userImage,
        command,
        arguments,
        workingDirectory,
        environment,
        otherMounts,
        devices,
        labels,
        annotations,
        logPath,
        stdin,
        stdinOnce,
        terminal,
        resources,
        security,
        stopSignal,
        cdiDevices);
  }

  /**
   * This request for a container whose processes go on: with the image that they had, and unless it
   * says another, with their command, which those that join it are known by.
   */
  ContainerRequest restoring(CheckpointArchive.Description checkpoint) {
    return new ContainerRequest(
        sandbox,
        name,
        attempt,
        checkpoint.image(),
        checkpoint.imageName(),
        command.isEmpty() && arguments.isEmpty() ? checkpoint.arguments() : command,
        arguments,
        workingDirectory,
        environment,
        mounts,
        devices,
        labels,
        annotations,
        logPath,
        stdin,
        stdinOnce,
        terminal,
        resources,
        security,
        stopSignal,
        cdiDevices);
  }

  /**
   * A security profile.
   *
   * @param path of a local profile
   */
  record Profile(Kind kind, String path) {
    enum Kind {
      UNCONFINED,
      RUNTIME_DEFAULT,
      LOCALHOST
    }
  }
}
