package io.stagelet.cri;

import io.stagelet.cri.v1.IDMapping;
import io.stagelet.cri.v1.LinuxPodSandboxStatus;
import io.stagelet.cri.v1.LinuxSandboxSecurityContext;
import io.stagelet.cri.v1.Namespace;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodIP;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PodSandboxNetworkStatus;
import io.stagelet.cri.v1.PodSandboxState;
import io.stagelet.cri.v1.PodSandboxStatus;
import io.stagelet.cri.v1.PortMapping;
import io.stagelet.cri.v1.SELinuxOption;
import io.stagelet.cri.v1.UserNamespace;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.StageletException;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Sandboxes as CRI says them, and back. */
final class ProtoSandbox {
  private ProtoSandbox() {}

  /**
   * What RunPodSandbox asks for.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when a field that must be there is not
   */
  static SandboxRequest request(PodSandboxConfig config, String runtimeHandler) {
    LinuxSandboxSecurityContext security = config.getLinux().getSecurityContext();
    NamespaceOption namespaces = security.getNamespaceOptions();
    return new SandboxRequest(
        key(config.getMetadata()),
        config.getHostname(),
        config.getLogDirectory(),
        config.hasDnsConfig()
            ? Optional.of(
                new SandboxRequest.Dns(
                    config.getDnsConfig().getServersList(),
                    config.getDnsConfig().getSearchesList(),
                    config.getDnsConfig().getOptionsList()))
            : Optional.empty(),
        config.getPortMappingsList().stream()
            .filter(mapping -> mapping.getHostPort() > 0)
            .map(ProtoSandbox::portMapping)
            .toList(),
        config.getLabelsMap(),
        config.getAnnotationsMap(),
        config.getLinux().getCgroupParent(),
        config.getLinux().getSysctlsMap(),
        mode(namespaces.getNetwork()),
        mode(namespaces.getPid()),
        mode(namespaces.getIpc()),
        namespaces.hasUsernsOptions() ? ids(namespaces.getUsernsOptions()) : Optional.empty(),
        runtimeHandler,
        new PodResources(
            ProtoContainer.resources(config.getLinux().getResources()),
            ProtoContainer.resources(config.getLinux().getOverhead())),
        selinux(security.getSelinuxOptions()),
        security.getPrivileged());
  }

  static SandboxRecord.PodKey key(PodSandboxMetadata metadata) {
    if (metadata.getName().isEmpty()
        || metadata.getNamespace().isEmpty()
        || metadata.getUid().isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the sandbox's metadata must have a name, a namespace and a uid");
    }
    return new SandboxRecord.PodKey(
        metadata.getNamespace(), metadata.getName(), metadata.getUid(), metadata.getAttempt());
  }

  /** One range of users and one of groups, each with the namespace's root in it. */
  static Optional<IdMappings> ids(UserNamespace user) {
    return switch (user.getMode()) {
      case NODE -> {
        if (user.getUidsCount() > 0 || user.getGidsCount() > 0) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT, "ids are mapped, but the user namespace is the node's");
        }
        yield Optional.empty();
      }
      case POD ->
          Optional.of(
              new IdMappings(
                  List.of(range(user.getUidsList(), "users")),
                  List.of(range(user.getGidsList(), "groups"))));
      case CONTAINER, TARGET, UNRECOGNIZED ->
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "a user namespace is the pod's or the node's, not of mode %s"
                  .formatted(user.getMode()));
    };
  }

  private static IdMapping range(List<IDMapping> ranges, String kind) {
    if (ranges.size() != 1 || ranges.getFirst().getContainerId() != 0) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "a user namespace wants one mapping of %s that begins with 0 in the container, and has %s"
              .formatted(
                  kind,
                  ranges.stream()
                      .map(range ->
                          "%d→%d (%d)"
                              .formatted(
                                  Integer.toUnsignedLong(range.getContainerId()),
                                  Integer.toUnsignedLong(range.getHostId()),
                                  Integer.toUnsignedLong(range.getLength())))
                      .toList()));
    }
    IDMapping range = ranges.getFirst();
    return new IdMapping(
        0, Integer.toUnsignedLong(range.getHostId()), Integer.toUnsignedLong(range.getLength()));
  }

  /** The modes as they were asked for, and the user namespace when there is one. */
  private static NamespaceOption options(
      SandboxRecord.NamespaceModes modes, Optional<IdMappings> ids) {
    NamespaceOption.Builder options =
        NamespaceOption.newBuilder()
            .setNetwork(NamespaceMode.valueOf(modes.network()))
            .setPid(NamespaceMode.valueOf(modes.pid()))
            .setIpc(NamespaceMode.valueOf(modes.ipc()));
    if (ids.isPresent()) {
      UserNamespace.Builder user = options.getUsernsOptionsBuilder().setMode(NamespaceMode.POD);
      ids.get().users().forEach(range -> user.addUids(mapping(range)));
      ids.get().groups().forEach(range -> user.addGids(mapping(range)));
    }
    return options.build();
  }

  private static IDMapping mapping(IdMapping range) {
    return IDMapping.newBuilder()
        .setContainerId((int) range.inside())
        .setHostId((int) range.outside())
        .setLength((int) range.length())
        .build();
  }

  private static CniAttachment.PortMapping portMapping(PortMapping mapping) {
    return new CniAttachment.PortMapping(
        mapping.getHostPort(),
        mapping.getContainerPort(),
        mapping.getProtocol().name().toLowerCase(Locale.ROOT),
        mapping.getHostIp());
  }

  static SelinuxOptions selinux(SELinuxOption options) {
    return new SelinuxOptions(
        options.getUser(), options.getRole(), options.getType(), options.getLevel());
  }

  /** A namespace mode of the domain. */
  static SandboxRequest.NamespaceMode mode(NamespaceMode mode) {
    return switch (mode) {
      case POD -> SandboxRequest.NamespaceMode.POD;
      case CONTAINER -> SandboxRequest.NamespaceMode.CONTAINER;
      case NODE -> SandboxRequest.NamespaceMode.NODE;
      case TARGET -> SandboxRequest.NamespaceMode.TARGET;
      case UNRECOGNIZED ->
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT, "there is no such namespace mode");
    };
  }

  /** An entry of ListPodSandbox. */
  static PodSandbox listed(SandboxRecord sandbox) {
    return PodSandbox.newBuilder()
        .setId(sandbox.plan().id().value())
        .setMetadata(metadata(sandbox.key()))
        .setState(state(sandbox))
        .setCreatedAt(nanoseconds(sandbox.createdAt()))
        .putAllLabels(sandbox.labels())
        .putAllAnnotations(sandbox.annotations())
        .setRuntimeHandler(sandbox.runtimeHandler())
        .build();
  }

  /** What PodSandboxStatus answers. */
  static PodSandboxStatus status(SandboxRecord sandbox) {
    SandboxRecord.NamespaceModes modes = sandbox.namespaces();
    return PodSandboxStatus.newBuilder()
        .setId(sandbox.plan().id().value())
        .setMetadata(metadata(sandbox.key()))
        .setState(state(sandbox))
        .setCreatedAt(nanoseconds(sandbox.createdAt()))
        .setNetwork(network(sandbox.addresses()))
        .setLinux(
            LinuxPodSandboxStatus.newBuilder()
                .setNamespaces(
                    Namespace.newBuilder().setOptions(options(modes, sandbox.plan().ids()))))
        .putAllLabels(sandbox.labels())
        .putAllAnnotations(sandbox.annotations())
        .setRuntimeHandler(sandbox.runtimeHandler())
        .build();
  }

  /** Whether a filter lets a sandbox through; an empty field of it lets everything. */
  static boolean matches(PodSandboxFilter filter, SandboxRecord sandbox) {
    return (filter.getId().isEmpty() || sandbox.plan().id().value().startsWith(filter.getId()))
        && (!filter.hasState() || filter.getState().getState() == state(sandbox))
        && hasAll(sandbox.labels(), filter.getLabelSelectorMap());
  }

  /** Whether {@code labels} has each entry of {@code selector}. */
  static boolean hasAll(Map<String, String> labels, Map<String, String> selector) {
    return labels.entrySet().containsAll(selector.entrySet());
  }

  /** Nanoseconds since 1970, as CRI counts. */
  static long nanoseconds(Instant instant) {
    return Math.addExact(
        Math.multiplyExact(instant.getEpochSecond(), 1_000_000_000L), instant.getNano());
  }

  static PodSandboxMetadata metadata(SandboxRecord.PodKey key) {
    return PodSandboxMetadata.newBuilder()
        .setName(key.name())
        .setNamespace(key.namespace())
        .setUid(key.uid())
        .setAttempt(key.attempt())
        .build();
  }

  private static PodSandboxNetworkStatus network(List<String> addresses) {
    PodSandboxNetworkStatus.Builder network = PodSandboxNetworkStatus.newBuilder();
    if (!addresses.isEmpty()) {
      network.setIp(addresses.getFirst());
      addresses.stream()
          .skip(1)
          .forEach(address -> network.addAdditionalIps(PodIP.newBuilder().setIp(address)));
    }
    return network.build();
  }

  private static PodSandboxState state(SandboxRecord sandbox) {
    return sandbox.phase() == SandboxRecord.Phase.READY
        ? PodSandboxState.SANDBOX_READY
        : PodSandboxState.SANDBOX_NOTREADY;
  }
}
