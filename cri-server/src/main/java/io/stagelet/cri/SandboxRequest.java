package io.stagelet.cri;

import io.stagelet.linux.IdMappings;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What RunPodSandbox asks for.
 *
 * @param hostname empty for the host's
 * @param logDirectory the directory of its containers' logs; empty for none
 * @param dns absent: the host's own resolv.conf
 * @param cgroupParent a slice; empty for the default one
 * @param ids the users and groups of a user namespace; absent for the host's
 * @param runtimeHandler the handler's name; empty for the default one
 * @param resources what the pod may use as a whole
 * @param selinux the parts of its label that are asked for
 * @param privileged whether it may have privileged containers
 */
record SandboxRequest(
    SandboxRecord.PodKey key,
    String hostname,
    String logDirectory,
    Optional<Dns> dns,
    List<CniAttachment.PortMapping> portMappings,
    Map<String, String> labels,
    Map<String, String> annotations,
    String cgroupParent,
    Map<String, String> sysctls,
    NamespaceMode network,
    NamespaceMode pid,
    NamespaceMode ipc,
    Optional<IdMappings> ids,
    String runtimeHandler,
    PodResources resources,
    SelinuxOptions selinux,
    boolean privileged) {
  /** Whose namespace is used; the modes of CRI's NamespaceMode. */
  enum NamespaceMode {
    POD,
    CONTAINER,
    NODE,
    TARGET
  }

  /** What resolv.conf says. */
  record Dns(List<String> servers, List<String> searches, List<String> options) {
    /** The file's text ({@code resolv.conf(5)}). */
    String text() {
      StringBuilder text = new StringBuilder();
      if (!searches.isEmpty()) {
        text.append("search ").append(String.join(" ", searches)).append('\n');
      }
      servers.forEach(server -> text.append("nameserver ").append(server).append('\n'));
      if (!options.isEmpty()) {
        text.append("options ").append(String.join(" ", options)).append('\n');
      }
      return text.toString();
    }
  }
}
