package io.stagelet.cri.conformance;

import io.stagelet.cri.v1.DNSConfig;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PortMapping;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * Makes pods, and removes them when it is closed, with all that is in them and their log folders:
 * also those whose ids a test never learned, as a call that failed may have made one. For any
 * number of threads, except {@link #close}.
 */
final class Pods implements AutoCloseable {
  /** All sandboxes of the suites carry this label, so that they can be told from others. */
  static final String SUITE_LABEL = "conformance-scope";

  private final NodeUnderTest node;
  private final String scope = UUID.randomUUID().toString();
  private final Path logs;

  Pods(NodeUnderTest node) {
    this.node = node;
    try {
      logs = Files.createTempDirectory("stagelet-pod-logs-");
    } catch (IOException failure) {
      throw new UncheckedIOException("could not make a folder for container logs", failure);
    }
  }

  /**
   * A pod as kubelet makes most of them: a network of its own, and a process tree per container.
   */
  TestPod run() {
    return run(UnaryOperator.identity());
  }

  /** Such a pod, changed. */
  TestPod run(UnaryOperator<PodSandboxConfig.Builder> change) {
    return run(config(change));
  }

  /** A pod from a whole configuration, which must be one of {@link #config}. */
  TestPod run(PodSandboxConfig config) {
    return new TestPod(this, node.cri().runPodSandbox(config, node.handler()), config);
  }

  /** The same call with the client's deadline. */
  TestPod run(PodSandboxConfig config, Duration deadline) {
    return new TestPod(this, node.cri().runPodSandbox(config, node.handler(), deadline), config);
  }

  /** The configuration of a pod with a name that no other has, changed. */
  PodSandboxConfig config(UnaryOperator<PodSandboxConfig.Builder> change) {
    String uid = UUID.randomUUID().toString();
    PodSandboxConfig.Builder config =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setName("pod-" + uid.substring(0, 8))
                    .setNamespace("conformance")
                    .setUid(uid))
            .setHostname("pod-" + uid.substring(0, 8))
            .setLogDirectory(logs.resolve(uid).toString())
            .putLabels(SUITE_LABEL, scope);
    config
        .getLinuxBuilder()
        .setCgroupParent("/conformance.slice/" + slice(uid))
        .getSecurityContextBuilder()
        .setNamespaceOptions(NamespaceOption.newBuilder().setPid(NamespaceMode.CONTAINER));
    return change.apply(config).build();
  }

  /** As kubelet names it, which tells the runtime the path to it. */
  private static String slice(String uid) {
    return "conformance-pod" + uid.replace('-', '_') + ".slice";
  }

  /** The change that makes a pod share the node's network. */
  static UnaryOperator<PodSandboxConfig.Builder> onTheNodesNetwork() {
    return config -> {
      config
          .clearHostname()
          .getLinuxBuilder()
          .getSecurityContextBuilder()
          .getNamespaceOptionsBuilder()
          .setNetwork(NamespaceMode.NODE);
      return config;
    };
  }

  /** The change that gives all containers of a pod one process tree. */
  static UnaryOperator<PodSandboxConfig.Builder> withOneProcessTree() {
    return config -> {
      config
          .getLinuxBuilder()
          .getSecurityContextBuilder()
          .getNamespaceOptionsBuilder()
          .setPid(NamespaceMode.POD);
      return config;
    };
  }

  /** The change that sets the resolver's configuration. */
  static UnaryOperator<PodSandboxConfig.Builder> withDns(DNSConfig dns) {
    return config -> config.setDnsConfig(dns);
  }

  /** The change that adds labels. */
  static UnaryOperator<PodSandboxConfig.Builder> withLabels(Map<String, String> labels) {
    return config -> config.putAllLabels(labels);
  }

  /** The change that publishes a port of the pod on the node. */
  static UnaryOperator<PodSandboxConfig.Builder> withHostPort(int hostPort, int containerPort) {
    return config ->
        config.addPortMappings(
            PortMapping.newBuilder().setHostPort(hostPort).setContainerPort(containerPort));
  }

  NodeUnderTest node() {
    return node;
  }

  /** The sandboxes of this scope that the runtime knows. */
  List<PodSandbox> known() {
    return node.cri()
        .listPodSandboxes(
            PodSandboxFilter.newBuilder().putLabelSelector(SUITE_LABEL, scope).build());
  }

  /** Removes all pods, as a node's shutdown does: stop, then remove. This scope can go on. */
  void removeAll() {
    try (CleanupStack cleanup = new CleanupStack()) {
      for (PodSandbox sandbox : known()) {
        cleanup.push(
            "remove sandbox " + sandbox.getId(),
            () -> {
              node.cri().stopPodSandbox(sandbox.getId());
              node.cri().removePodSandbox(sandbox.getId());
            });
      }
    }
  }

  @Override
  public void close() {
    try (CleanupStack cleanup = new CleanupStack()) {
      cleanup.push("remove " + logs, () -> Command.of("rm", "-rf", logs.toString()).runChecked());
      cleanup.push("remove the pods", this::removeAll);
    }
  }
}
