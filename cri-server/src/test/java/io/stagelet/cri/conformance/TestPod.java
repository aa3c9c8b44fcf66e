package io.stagelet.cri.conformance;

import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxStatus;
import java.util.List;

/** A sandbox that was run, and what can be done with it. */
final class TestPod {
  private final Pods pods;
  private final String id;
  private final PodSandboxConfig config;

  TestPod(Pods pods, String id, PodSandboxConfig config) {
    this.pods = pods;
    this.id = id;
    this.config = config;
    pods.node().made(id);
  }

  String id() {
    return id;
  }

  PodSandboxConfig config() {
    return config;
  }

  PodSandboxStatus status() {
    return cri().podSandboxStatus(id);
  }

  /** The slice that all of it is in. */
  String slice() {
    String parent = config.getLinux().getCgroupParent();
    return parent.substring(parent.lastIndexOf('/') + 1);
  }

  /** Its address; empty when it has none of its own. */
  String ip() {
    return status().getNetwork().getIp();
  }

  /** A container of the busybox image, to be configured. */
  ContainerBuilder container() {
    return container(node().images().busybox());
  }

  /** A container of an image, which is pulled if need be. */
  ContainerBuilder container(PushedImage image) {
    return new ContainerBuilder(this, node().pulled(image));
  }

  /** A running container that does nothing but wait, and ends at once when told to. */
  TestContainer idleContainer() {
    return container().idle().start();
  }

  List<Container> containers() {
    return cri().listContainers(ContainerFilter.newBuilder().setPodSandboxId(id).build());
  }

  void stop() {
    cri().stopPodSandbox(id);
  }

  void remove() {
    cri().removePodSandbox(id);
  }

  Pods pods() {
    return pods;
  }

  private NodeUnderTest node() {
    return pods.node();
  }

  private CriClient cri() {
    return node().cri();
  }
}
