package io.stagelet.testhost.bench;

import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.LinuxPodSandboxConfig;
import io.stagelet.cri.v1.LinuxSandboxSecurityContext;
import io.stagelet.cri.v1.NamespaceMode;
import io.stagelet.cri.v1.NamespaceOption;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemoveContainerRequest;
import io.stagelet.cri.v1.RemoveImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StatusRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Measures what it costs to pull and unpack images from a registry on loopback, in time and in the
 * runtime's CPU time, and to make and start a container of an image with a hundred layers.
 *
 * <p>Usage: {@code PullBenchmark INSIDE MEGABYTES PART RUNTIME…}; the script {@code testhost/bench}
 * calls it. MEGABYTES is how large each image is, packed; PART is a word of what is measured alone,
 * or {@code all}.
 */
public final class PullBenchmark {
  private static final String REGISTRY = "127.0.0.1:5000";
  private static final int ROUNDS = 3;
  private static final int CONTAINERS = 15;
  private static final int MANY = 40;
  private static final int VERY_MANY = 100;
  private static final long TICKS_PER_SECOND = 100;

  /** What one runtime took: milliseconds by what was done. */
  private record Figures(String runtime, Map<String, Double> millis) {}

  private final Node node;

  private PullBenchmark(Node node) {
    this.node = node;
  }

  /** Measures all runtimes and prints the table. */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length < 4) {
      System.err.println("usage: PullBenchmark INSIDE MEGABYTES PART RUNTIME…");
      System.exit(2);
    }
    Node node = new Node(Path.of(arguments[0]));
    long bytes = Long.parseLong(arguments[1]) << 20;
    node.pushImages("pause");
    String part = arguments[2].equals("all") ? "" : arguments[2];
    Map<String, String> images = new LinkedHashMap<>();
    System.err.printf("making images of %s MB%n", arguments[1]);
    if ("1 layer, gzip".contains(part)) {
      images.put("1 layer, gzip", new BenchmarkImage(REGISTRY, "bench/one", false).push(1, bytes));
    }
    if ((MANY + " layers, gzip").contains(part)) {
      images.put(
          MANY + " layers, gzip",
          new BenchmarkImage(REGISTRY, "bench/many", false).push(MANY, bytes / MANY));
    }
    if ("1 layer, zstd".contains(part)) {
      images.put("1 layer, zstd", new BenchmarkImage(REGISTRY, "bench/zstd", true).push(1, bytes));
    }
    Map<Integer, String> startable = new LinkedHashMap<>();
    if ("containers".contains(part)) {
      for (int layers : new int[] {1, VERY_MANY}) {
        startable.put(
            layers,
            new BenchmarkImage(REGISTRY, "bench/startable" + layers, false)
                .startable()
                .push(layers, 1));
      }
    }
    Map<String, Figures> all = new LinkedHashMap<>();
    for (String runtime : List.of(arguments).subList(3, arguments.length)) {
      System.err.printf("measuring %s%n", runtime);
      all.put(runtime, new PullBenchmark(node).measure(runtime, images, startable));
    }
    print(List.copyOf(all.values()));
  }

  private Figures measure(
      String runtime, Map<String, String> images, Map<Integer, String> startable)
      throws InterruptedException {
    Path socket = node.start(runtime);
    Map<String, Double> millis = new LinkedHashMap<>();
    try (CriConnection cri = new CriConnection(socket)) {
      var _ = cri.runtime().withWaitForReady().status(StatusRequest.getDefaultInstance());
      long pid = mainProcess(runtime);
      images.forEach((what, image) -> {
        Durations time = new Durations();
        Durations cpu = new Durations();
        for (int round = 0; round < ROUNDS; round++) {
          long before = cpuTicks(pid);
          var _ =
              time.time(() ->
                  cri.images()
                      .pullImage(PullImageRequest.newBuilder().setImage(spec(image)).build()));
          cpu.add(Duration.ofMillis((cpuTicks(pid) - before) * 1000 / TICKS_PER_SECOND));
          var _ =
              cri.images()
                  .removeImage(RemoveImageRequest.newBuilder().setImage(spec(image)).build());
        }
        millis.put(what, time.medianMillis());
        millis.put(what + ", CPU", cpu.medianMillis());
        System.err.printf(
            "%s: %s %.0f ms, CPU %.0f ms%n",
            runtime, what, time.medianMillis(), cpu.medianMillis());
      });
      startable.forEach((layers, image) -> container(cri, layers, image, millis));
    } finally {
      node.stop(runtime);
    }
    return new Figures(runtime, millis);
  }

  private static void container(
      CriConnection cri, int layers, String image, Map<String, Double> millis) {
    cri.images().pullImage(PullImageRequest.newBuilder().setImage(spec(image)).build());
    PodSandboxConfig config =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setName("pull" + layers)
                    .setNamespace("bench")
                    .setUid(UUID.randomUUID().toString()))
            .setLogDirectory("/var/log/pods/bench_pull")
            .setLinux(
                LinuxPodSandboxConfig.newBuilder()
                    .setCgroupParent("bench.slice")
                    // no network is needed, nor measured
                    .setSecurityContext(
                        LinuxSandboxSecurityContext.newBuilder()
                            .setNamespaceOptions(
                                NamespaceOption.newBuilder().setNetwork(NamespaceMode.NODE))))
            .build();
    String sandbox =
        cri.runtime()
            .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(config).build())
            .getPodSandboxId();
    Durations time = new Durations();
    Durations start = new Durations();
    for (int round = 0; round < CONTAINERS; round++) {
      ContainerConfig container =
          ContainerConfig.newBuilder()
              .setMetadata(ContainerMetadata.newBuilder().setName("app" + round))
              .setImage(spec(image))
              .setLogPath("app/%d.log".formatted(round))
              .build();
      String id =
          time.time(() ->
              cri.runtime()
                  .createContainer(
                      CreateContainerRequest.newBuilder()
                          .setPodSandboxId(sandbox)
                          .setConfig(container)
                          .setSandboxConfig(config)
                          .build())
                  .getContainerId());
      var _ =
          start.time(() ->
              cri.runtime()
                  .startContainer(StartContainerRequest.newBuilder().setContainerId(id).build()));
      var _ =
          cri.runtime()
              .removeContainer(RemoveContainerRequest.newBuilder().setContainerId(id).build());
    }
    var _ =
        cri.runtime()
            .stopPodSandbox(StopPodSandboxRequest.newBuilder().setPodSandboxId(sandbox).build());
    var _ =
        cri.runtime()
            .removePodSandbox(
                RemovePodSandboxRequest.newBuilder().setPodSandboxId(sandbox).build());
    millis.put("CreateContainer, %d layers".formatted(layers), time.medianMillis());
    // containerd mounts for good only when it starts
    millis.put(
        "create + start, %d layers".formatted(layers), time.medianMillis() + start.medianMillis());
  }

  private long mainProcess(String runtime) {
    String unit = runtime.equals("stagelet") ? "stagelet-testhost.service" : runtime + ".service";
    return Long.parseLong(
        node.run(List.of("systemctl", "show", "--property=MainPID", "--value", unit)).strip());
  }

  /** The process's time and that of its children that have ended ({@code proc_pid_stat(5)}). */
  private static long cpuTicks(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc/%d/stat".formatted(pid)));
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      long ticks = 0;
      for (int field = 11; field <= 14; field++) {
        ticks += Long.parseLong(fields[field]);
      }
      return ticks;
    } catch (IOException failure) {
      throw new UncheckedIOException("could not read the CPU time of process " + pid, failure);
    }
  }

  private static ImageSpec spec(String image) {
    return ImageSpec.newBuilder().setImage(image).build();
  }

  private static void print(List<Figures> all) {
    Figures last = all.getLast();
    StringBuilder head = new StringBuilder("| median of %d, ms |".formatted(ROUNDS));
    StringBuilder rule = new StringBuilder("|---|");
    for (Figures figures : all) {
      head.append(' ').append(figures.runtime()).append(" |");
      rule.append("---|");
    }
    if (all.size() > 1) {
      head.append(" ratio |");
      rule.append("---|");
    }
    System.out.println(head);
    System.out.println(rule);
    for (String what : last.millis().keySet()) {
      StringBuilder line = new StringBuilder("| " + what + " |");
      for (Figures figures : all) {
        line.append(" %.0f |".formatted(figures.millis().getOrDefault(what, Double.NaN)));
      }
      if (all.size() > 1) {
        line.append(
            " %.2f |"
                .formatted(
                    all.getFirst().millis().getOrDefault(what, Double.NaN)
                        / last.millis().getOrDefault(what, Double.NaN)));
      }
      System.out.println(line);
    }
  }
}
