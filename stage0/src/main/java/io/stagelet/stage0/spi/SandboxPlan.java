package io.stagelet.stage0.spi;

import io.stagelet.linux.IdMappings;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * All a stage1 needs to know of a sandbox.
 *
 * @param id its id
 * @param namespace the Kubernetes namespace
 * @param name the pod's name
 * @param slice the slice its units sit in, such as {@code kubepods-besteffort-pod….slice}, or its
 *     own
 * @param runDirectory a directory on a tmpfs that belongs to this sandbox: its namespaces and its
 *     /dev/shm are here
 * @param hostname what {@code hostname} prints in it; absent in pods that share the host's network
 * @param networkNamespace where its network namespace is to be mounted; absent when it shares the
 *     host's
 * @param hostIpc whether it shares the host's IPC namespace and /dev/shm
 * @param sharedPid whether all its containers share one PID namespace
 * @param sysctls namespaced kernel parameters, by their dotted names
 * @param shmSize bytes of its /dev/shm
 * @param ids the users and groups of its user namespace; absent when it has the host's
 * @param selinux its labels; absent where SELinux is off
 */
public record SandboxPlan(
    SandboxId id,
    String namespace,
    String name,
    String slice,
    Path runDirectory,
    Optional<String> hostname,
    Optional<Path> networkNamespace,
    boolean hostIpc,
    boolean sharedPid,
    Map<String, String> sysctls,
    long shmSize,
    Optional<IdMappings> ids,
    Optional<SelinuxLabels> selinux) {
  public SandboxPlan {
    sysctls = Map.copyOf(sysctls);
  }

  /** The slice that a sandbox gets for which nobody named one. */
  public static String ownSlice(SandboxId id) {
    return "stagelet-%s.slice".formatted(id.shortened());
  }

  /**
   * Whether the slice is the sandbox's own, to be made, limited and taken down with it: a slice
   * that was named is kubelet's.
   */
  public boolean hasOwnSlice() {
    return slice.equals(ownSlice(id));
  }
}
