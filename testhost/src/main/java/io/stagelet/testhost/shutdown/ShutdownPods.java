package io.stagelet.testhost.shutdown;

import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxPodSandboxConfig;
import io.stagelet.cri.v1.ListContainersRequest;
import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.Signal;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.testhost.CriConnection;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Starts pods that write down how they end. Each has the folder at {@code /kept}, and a file there
 * by its name: a line for each signal that it gets and one for its last word, with the machine's
 * uptime. They say the same to their output.
 *
 * <p>Usage: {@code ShutdownPods SOCKET start FOLDER}, or {@code ShutdownPods SOCKET stop}, which
 * asks all containers to end at the same time, as kubelet does; the script {@code
 * testhost/shutdown} calls it.
 */
public final class ShutdownPods {
  private static final ImageSpec IMAGE =
      ImageSpec.newBuilder().setImage("127.0.0.1:5000/e2e-test-images/busybox:latest").build();

  /** Takes two seconds to end, and says when it was asked and when it was done. */
  private static final String ORDERLY =
      """
      say() { echo "$(cut -d' ' -f1 /proc/uptime) $*" | tee -a /kept/$0; }
      asked() { say asked; [ -n "$leaving" ] || { leaving=yes; sleep 2; say left; exit 0; }; }
      trap asked $1
      say up
      while :; do sleep 1000 & wait $!; done
      """;

  /** Hears everything, and stays. */
  private static final String STUBBORN =
      """
      say() { echo "$(cut -d' ' -f1 /proc/uptime) $*" | tee -a /kept/$0; }
      trap 'say asked' TERM
      say up
      while :; do sleep 0.1; done
      """;

  private static final long GRACE_SECONDS = 5;

  private ShutdownPods() {}

  /** Starts or stops them. */
  public static void main(String[] arguments) {
    switch (List.of(arguments)) {
      case List<String> words when words.size() == 3 && words.get(1).equals("start") ->
          startAll(Path.of(words.getFirst()), Path.of(words.getLast()));
      case List<String> words when words.size() == 2 && words.get(1).equals("stop") ->
          stopAll(Path.of(words.getFirst()));
      case List<String> _ -> {
        System.err.println("usage: ShutdownPods SOCKET start FOLDER | stop");
        System.exit(2);
      }
    }
  }

  private static void startAll(Path socket, Path folder) {
    try (CriConnection cri = new CriConnection(socket)) {
      var _ = cri.images().pullImage(PullImageRequest.newBuilder().setImage(IMAGE).build());
      start(
          cri,
          folder,
          "term",
          "kubepods-besteffort-podterm.slice",
          ORDERLY,
          Signal.SIGNAL_SIGTERM,
          20);
      start(
          cri,
          folder,
          "own",
          "kubepods-burstable-podown.slice",
          ORDERLY,
          Signal.SIGNAL_SIGUSR1,
          20);
      start(
          cri,
          folder,
          "stubborn",
          "kubepods-podstubborn.slice",
          STUBBORN,
          Signal.SIGNAL_SIGTERM,
          4);
      start(cri, folder, "apart", "", ORDERLY, Signal.SIGNAL_SIGTERM, 20);
    }
  }

  private static void stopAll(Path socket) {
    try (CriConnection cri = new CriConnection(socket);
        ExecutorService each = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> calls = new ArrayList<>();
      for (Container container :
          cri.runtime()
              .listContainers(ListContainersRequest.getDefaultInstance())
              .getContainersList()) {
        StopContainerRequest stop =
            StopContainerRequest.newBuilder()
                .setContainerId(container.getId())
                .setTimeout(GRACE_SECONDS)
                .build();
        calls.add(each.submit(() -> cri.runtime().stopContainer(stop)));
      }
      for (Future<?> call : calls) {
        var _ = call.get();
      }
    } catch (ExecutionException failure) {
      throw new IllegalStateException("a container is not stopped", failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while containers are stopped", interrupted);
    }
  }

  private static void start(
      CriConnection cri,
      Path folder,
      String name,
      String slice,
      String program,
      Signal signal,
      int grace) {
    PodSandboxConfig pod =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setNamespace("shutdown")
                    .setName(name)
                    .setUid("uid-" + name))
            .setLogDirectory(folder.resolve("logs").toString())
            .setLinux(LinuxPodSandboxConfig.newBuilder().setCgroupParent(slice))
            .build();
    String sandbox =
        cri.runtime()
            .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(pod).build())
            .getPodSandboxId();
    ContainerConfig config =
        ContainerConfig.newBuilder()
            .setMetadata(ContainerMetadata.newBuilder().setName("app"))
            .setImage(IMAGE)
            .addAllCommand(
                List.of("sh", "-c", program, name, signal.name().substring("SIGNAL_SIG".length())))
            .setStopSignal(signal)
            // as kubelet says it
            .putAnnotations("io.kubernetes.pod.terminationGracePeriod", Integer.toString(grace))
            .addMounts(
                Mount.newBuilder()
                    .setHostPath(folder.resolve("kept").toString())
                    .setContainerPath("/kept"))
            .setLogPath(name + ".log")
            .build();
    String container =
        cri.runtime()
            .createContainer(
                CreateContainerRequest.newBuilder()
                    .setPodSandboxId(sandbox)
                    .setConfig(config)
                    .setSandboxConfig(pod)
                    .build())
            .getContainerId();
    var _ =
        cri.runtime()
            .startContainer(StartContainerRequest.newBuilder().setContainerId(container).build());
  }
}
