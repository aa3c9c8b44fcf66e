package io.stagelet.testhost.bench;

import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxPodSandboxConfig;
import io.stagelet.cri.v1.LinuxSandboxSecurityContext;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.testhost.CriConnection;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/** Containers of a runtime that speaks CRI, with the host's network. */
final class CriWriters implements Writers {
  private record Pod(String id, PodSandboxConfig config) {}

  private final CriConnection cri;
  private final String unit;
  private final String image;
  private final Path directory;
  private final List<Pod> pods = new ArrayList<>();

  /**
   * Pulls the image.
   *
   * @param socket where the runtime listens
   * @param unit the runtime's unit
   * @param directory the benchmark's folder
   */
  CriWriters(Path socket, String unit, String image, Path directory) {
    this.cri = new CriConnection(socket);
    this.unit = unit;
    this.image = image;
    this.directory = directory;
    cri.images()
        .withWaitForReady()
        .pullImage(PullImageRequest.newBuilder().setImage(image()).build());
  }

  @Override
  public Written start(String name, String shell) {
    return start(pods.isEmpty() ? pod("writers") : pods.getFirst(), name, shell);
  }

  @Override
  public Written startApart(String name, String shell) {
    return start(pod(name), name, shell);
  }

  private Pod pod(String name) {
    PodSandboxConfig config =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setName(name)
                    .setNamespace("bench")
                    .setUid(UUID.randomUUID().toString()))
            .setLogDirectory(directory.resolve("logs").toString())
            .setLinux(
                LinuxPodSandboxConfig.newBuilder()
                    .setCgroupParent("bench.slice")
                    .setSecurityContext(
                        LinuxSandboxSecurityContext.newBuilder()
                            .setNamespaceOptions(
                                NamespaceOption.newBuilder()
                                    .setNetwork(NamespaceMode.NODE)
                                    .setPid(NamespaceMode.CONTAINER))))
            .build();
    String id =
        cri.runtime()
            .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(config).build())
            .getPodSandboxId();
    Pod pod = new Pod(id, config);
    pods.add(pod);
    return pod;
  }

  private Written start(Pod pod, String name, String shell) {
    ContainerConfig config =
        ContainerConfig.newBuilder()
            .setMetadata(ContainerMetadata.newBuilder().setName(name))
            .setImage(image())
            .addAllCommand(List.of("sh", "-c", shell))
            .addMounts(
                Mount.newBuilder().setHostPath(directory.toString()).setContainerPath("/bench"))
            .setLogPath(name + "/0.log")
            .build();
    String id =
        cri.runtime()
            .createContainer(
                CreateContainerRequest.newBuilder()
                    .setPodSandboxId(pod.id())
                    .setConfig(config)
                    .setSandboxConfig(pod.config())
                    .build())
            .getContainerId();
    cri.runtime().startContainer(StartContainerRequest.newBuilder().setContainerId(id).build());
    return new Written(id, directory.resolve("logs").resolve(name).resolve("0.log"));
  }

  @Override
  public boolean ended(Written written) {
    return cri.runtime()
            .containerStatus(
                ContainerStatusRequest.newBuilder().setContainerId(written.id()).build())
            .getStatus()
            .getState()
        == ContainerState.CONTAINER_EXITED;
  }

  @Override
  public String unit() {
    return unit;
  }

  private ImageSpec image() {
    return ImageSpec.newBuilder().setImage(image).build();
  }

  @Override
  public void close() {
    for (Pod pod : pods) {
      cri.runtime()
          .removePodSandbox(RemovePodSandboxRequest.newBuilder().setPodSandboxId(pod.id()).build());
    }
    cri.close();
  }
}
