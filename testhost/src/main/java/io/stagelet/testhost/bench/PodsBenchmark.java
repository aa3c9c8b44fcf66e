package io.stagelet.testhost.bench;

import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxContainerConfig;
import io.stagelet.cri.v1.LinuxContainerSecurityContext;
import io.stagelet.cri.v1.LinuxPodSandboxConfig;
import io.stagelet.cri.v1.LinuxSandboxSecurityContext;
import io.stagelet.cri.v1.ListContainerStatsRequest;
import io.stagelet.cri.v1.ListContainersRequest;
import io.stagelet.cri.v1.ListPodSandboxRequest;
import io.stagelet.cri.v1.ListPodSandboxStatsRequest;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StatusRequest;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Measures what a pod costs: how long the calls take that bring it up and down, and those that ask
 * of all pods, and how much memory the runtime keeps while all pods run. One runtime after the
 * other, each from a fresh start, in the same machine.
 *
 * <p>Usage: {@code PodsBenchmark INSIDE PODS RUNTIME…}; the script {@code testhost/bench} calls it.
 */
public final class PodsBenchmark {
  private static final String IMAGE = "127.0.0.1:5000/pause:3.10.1";
  private static final String PROGRAM = "/pause";
  private static final int WARM_UP = 3;
  private static final int ASKED = 10;
  private static final Duration SETTLE = Duration.ofSeconds(3);
  private static final Duration NETWORK_READY = Duration.ofSeconds(30);
  private static final long GRACE_SECONDS = 10;

  private final Node node;
  private final int pods;

  /** Marks the containers' processes, to tell them from a runtime's own pause processes. */
  private final String marker = "benchmark-" + UUID.randomUUID();

  private final Map<String, Durations> durations = new LinkedHashMap<>();

  private PodsBenchmark(Node node, int pods) {
    this.node = node;
    this.pods = pods;
  }

  /** Measures all runtimes and prints the table. */
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 3) {
      System.err.println("usage: PodsBenchmark INSIDE PODS RUNTIME…");
      System.exit(2);
    }
    Node node = new Node(Path.of(arguments[0]));
    int pods = Integer.parseInt(arguments[1]);
    node.pushImages("pause");
    List<PodFigures> figures = new ArrayList<>();
    for (String runtime : List.of(arguments).subList(2, arguments.length)) {
      System.err.printf("measuring %s with %d pods%n", runtime, pods);
      figures.add(new PodsBenchmark(node, pods).measure(runtime));
    }
    System.out.println();
    System.out.print(ComparisonTable.of(figures));
    System.out.println();
    figures.forEach(measured ->
        System.out.printf(
            "processes that %s keeps: %s%n", measured.runtime(), measured.memory().newProcesses()));
  }

  private PodFigures measure(String runtime) throws InterruptedException {
    // what PID 1 grew by for the runtime before must not count for, nor serve, this one
    node.run(List.of("systemctl", "daemon-reexec"));
    Thread.sleep(SETTLE);
    ProcessTable before = ProcessTable.now();
    Path socket = node.start(runtime);
    try (CriConnection cri = new CriConnection(socket)) {
      awaitNetwork(cri);
      cri.images().pullImage(PullImageRequest.newBuilder().setImage(image()).build());
      for (int i = 0; i < WARM_UP; i++) {
        takeDown(cri, bringUp(cri, "warm-up-" + i));
      }
      durations.clear();
      List<Pod> running = new ArrayList<>();
      for (int i = 0; i < pods; i++) {
        running.add(bringUp(cri, "pod-" + i));
      }
      Thread.sleep(SETTLE);
      ProcessTable.Growth memory = ProcessTable.now().since(before, this::isLoad);
      for (int i = 0; i < ASKED; i++) {
        askOfAll(cri);
      }
      running.forEach(pod -> takeDown(cri, pod));
      Map<String, Double> medians = new LinkedHashMap<>();
      durations.forEach((call, taken) -> medians.put(call, taken.medianMillis()));
      return new PodFigures(runtime, medians, memory);
    } finally {
      node.stop(runtime);
    }
  }

  /** What kubelet asks of all pods, every second or every ten. */
  private void askOfAll(CriConnection cri) {
    timed("ListPodSandbox")
        .time(() -> cri.runtime().listPodSandbox(ListPodSandboxRequest.getDefaultInstance()));
    timed("ListContainers")
        .time(() -> cri.runtime().listContainers(ListContainersRequest.getDefaultInstance()));
    timed("ListContainerStats")
        .time(
            () -> cri.runtime().listContainerStats(ListContainerStatsRequest.getDefaultInstance()));
    timed("ListPodSandboxStats")
        .time(() ->
            cri.runtime().listPodSandboxStats(ListPodSandboxStatsRequest.getDefaultInstance()));
  }

  private static void awaitNetwork(CriConnection cri) throws InterruptedException {
    long end = System.nanoTime() + NETWORK_READY.toNanos();
    while (true) {
      var conditions =
          cri.runtime()
              .withWaitForReady()
              .status(StatusRequest.getDefaultInstance())
              .getStatus()
              .getConditionsList();
      if (conditions.stream().allMatch(condition -> condition.getStatus())) {
        return;
      }
      if (System.nanoTime() > end) {
        throw new IllegalStateException("the runtime does not get ready: " + conditions);
      }
      Thread.sleep(100);
    }
  }

  /** kubelet's default: a process tree for each container. */
  private static final NamespaceOption AS_KUBELET =
      NamespaceOption.newBuilder().setPid(NamespaceMode.CONTAINER).build();

  private record Pod(String sandbox, String container) {}

  private Pod bringUp(CriConnection cri, String name) {
    PodSandboxConfig config =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setName(name)
                    .setNamespace("bench")
                    .setUid(UUID.randomUUID().toString()))
            .setHostname(name)
            .setLogDirectory("/var/log/pods/bench_" + name)
            .setLinux(
                LinuxPodSandboxConfig.newBuilder()
                    // a slice for each pod, as kubelet makes them
                    .setCgroupParent("bench-%s.slice".formatted(name.replace('-', '_')))
                    .setSecurityContext(
                        LinuxSandboxSecurityContext.newBuilder().setNamespaceOptions(AS_KUBELET)))
            .build();
    ContainerConfig container =
        ContainerConfig.newBuilder()
            .setMetadata(ContainerMetadata.newBuilder().setName("app"))
            .setImage(image())
            .addCommand(PROGRAM)
            .addArgs(marker)
            .setLogPath("app/0.log")
            .setLinux(
                LinuxContainerConfig.newBuilder()
                    .setSecurityContext(
                        LinuxContainerSecurityContext.newBuilder().setNamespaceOptions(AS_KUBELET)))
            .build();
    String sandbox =
        timed(PodFigures.RUN)
            .time(() ->
                cri.runtime()
                    .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(config).build())
                    .getPodSandboxId());
    String id =
        timed(PodFigures.CREATE)
            .time(() ->
                cri.runtime()
                    .createContainer(
                        CreateContainerRequest.newBuilder()
                            .setPodSandboxId(sandbox)
                            .setConfig(container)
                            .setSandboxConfig(config)
                            .build())
                    .getContainerId());
    timed(PodFigures.START)
        .time(() ->
            cri.runtime()
                .startContainer(StartContainerRequest.newBuilder().setContainerId(id).build()));
    return new Pod(sandbox, id);
  }

  private void takeDown(CriConnection cri, Pod pod) {
    timed(PodFigures.STOP)
        .time(() ->
            cri.runtime()
                .stopContainer(
                    StopContainerRequest.newBuilder()
                        .setContainerId(pod.container())
                        .setTimeout(GRACE_SECONDS)
                        .build()));
    timed(PodFigures.STOP_SANDBOX)
        .time(() ->
            cri.runtime()
                .stopPodSandbox(
                    StopPodSandboxRequest.newBuilder().setPodSandboxId(pod.sandbox()).build()));
    cri.runtime()
        .removePodSandbox(
            RemovePodSandboxRequest.newBuilder().setPodSandboxId(pod.sandbox()).build());
  }

  private Durations timed(String call) {
    return durations.computeIfAbsent(call, _ -> new Durations());
  }

  private boolean isLoad(Map.Entry<Long, ProcessTable.Entry> process) {
    return process.getKey() == ProcessHandle.current().pid()
        || process.getValue().command().equals(PROGRAM + " " + marker);
  }

  private static ImageSpec image() {
    return ImageSpec.newBuilder().setImage(IMAGE).build();
  }
}
