package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.cri.v1.ContainerStats;
import io.stagelet.cri.v1.ContainerStatsRequest;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.cri.v1.LinuxContainerResources;
import io.stagelet.cri.v1.PodSandboxStats;
import io.stagelet.cri.v1.PodSandboxStatsRequest;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The same deployment with and without the annotation {@code stagelet.io/stage1}: a web server and
 * its side-car, a volume between them, probes, limits. What can be seen of it is the same.
 */
class SwappedStage1IT extends ConformanceSuite {
  private static final int PORT = 8080;
  private static final Duration CALL = Duration.ofSeconds(30);
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private Path volume = Path.of("/");

  SwappedStage1IT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void makeTheVolume() throws IOException {
    volume = Files.createTempDirectory("stagelet-volume-");
    Files.setPosixFilePermissions(
        volume, java.nio.file.attribute.PosixFilePermissions.fromString("rwxrwxrwx"));
  }

  @AfterEach
  void removeTheVolume() {
    Command.of("rm", "-rf", volume.toString()).runChecked();
  }

  @Test
  void aDeploymentIsTheSameWithAndWithoutTheAnnotation() throws Exception {
    stageletOnly("the annotation is Stagelet's");
    assumeTrue(
        !node().handler().equals(Handler.NSPAWN), "it is compared with each of the other handlers");

    Map<String, Object> without = seen(Map.of());
    Map<String, Object> with = seen(Map.of("stagelet.io/stage1", Handler.NSPAWN.name()));

    assertThat(with).isEqualTo(without);
  }

  /** All that a cluster sees of it, from its start to its end, by what it is. */
  private Map<String, Object> seen(Map<String, String> annotations) throws Exception {
    Map<String, Object> seen = new LinkedHashMap<>();
    Files.deleteIfExists(volume.resolve("index.html"));
    TestPod pod = pods().run(config -> config.putAllAnnotations(annotations));
    TestContainer server = server(pod);
    TestContainer sideCar = sideCar(pod);

    await("the page")
        .atMost(PATIENCE)
        .ignoreExceptions()
        .until(() -> page(pod).equals("written by the side-car"));
    seen.put("page", page(pod));
    seen.put("sandbox state", pod.status().getState());
    seen.put("container state", server.status().getState());

    seen.put("probe", described(server.exec("wget", "-q", "-O", "-", "http://127.0.0.1:" + PORT)));
    seen.put("failing probe", described(server.exec("sh", "-c", "echo not ready >&2; exit 3")));
    seen.put(
        "probe that takes too long",
        refusal(() -> server.exec(Duration.ofSeconds(1), "sleep", "1000000")).getCode());
    seen.put(
        "page in the pod",
        described(sideCar.exec("wget", "-q", "-O", "-", "http://127.0.0.1:" + PORT)));
    seen.put("user", described(server.exec("id")));
    seen.put("environment", described(server.exec("sh", "-c", "env | sort | grep -v HOSTNAME")));
    seen.put("capabilities", described(server.exec("grep", "CapBnd", "/proc/self/status")));
    seen.put("filter", described(server.exec("grep", "Seccomp:", "/proc/self/status")));
    seen.put("AppArmor", described(server.exec("cat", "/proc/self/attr/current")));
    seen.put("first process", described(server.exec("cat", "/proc/1/comm")));
    seen.put(
        "volume, read-only",
        described(server.exec("sh", "-c", "touch /www/x 2> /dev/null || echo refused")));
    seen.put("oom score", described(server.exec("cat", "/proc/1/oom_score_adj")));

    seen.put("log", sideCar.awaitOutput(2));
    seen.put("streams", List.of(sideCar.log().lines("stdout"), sideCar.log().lines("stderr")));

    await("statistics")
        .atMost(PATIENCE)
        .until(() -> stats(server).getCpu().getUsageCoreNanoSeconds().getValue() > 0);
    ContainerStats stats = stats(server);
    seen.put(
        "statistics",
        Stream.of(
                stats.getCpu().hasUsageCoreNanoSeconds(),
                stats.getMemory().hasWorkingSetBytes(),
                stats.getMemory().hasUsageBytes(),
                stats.getWritableLayer().hasUsedBytes(),
                stats.hasSwap())
            .toList());
    PodSandboxStats podStats = stats(pod);
    seen.put(
        "statistics of the pod",
        Stream.of(
                podStats.getLinux().getCpu().hasUsageCoreNanoSeconds(),
                podStats.getLinux().getMemory().hasWorkingSetBytes(),
                podStats.getLinux().getNetwork().getDefaultInterface().getName(),
                podStats.getLinux().getNetwork().getDefaultInterface().hasRxBytes(),
                podStats.getLinux().getContainersCount())
            .toList());
    seen.put("limits", server.status().getResources());
    seen.put(
        "limits in it",
        described(
            server.exec(
                "sh", "-c", "cd /sys/fs/cgroup; grep -s . memory.max cpu.max cpu.weight; true")));

    server.stop(Duration.ofSeconds(20));
    seen.put("end", described(server.status()));
    sideCar.stop(Duration.ZERO);
    seen.put("killed", described(sideCar.status()));
    TestContainer failed = pod.container().shell("exit 42").runToItsEnd();
    seen.put("failed", described(failed.status()));

    pod.stop();
    pod.remove();
    await("its end")
        .atMost(PATIENCE)
        .untilAsserted(() -> {
          assertThat(node().runtime().leftovers().named(List.of(pod.id()))).isEmpty();
          assertThat(units(pod)).isEmpty();
        });
    seen.put("volume left", Files.exists(volume.resolve("index.html")));
    return seen;
  }

  private TestContainer server(TestPod pod) {
    return pod.container()
        .shell("trap 'exit 7' TERM; httpd -f -p %d -h /www & wait".formatted(PORT))
        .mount(volume, "/www", true)
        .environment("COLOUR", "green")
        .user(1000)
        .group(1000)
        .with(config ->
            config
                .getLinuxBuilder()
                .setResources(
                    LinuxContainerResources.newBuilder()
                        .setMemoryLimitInBytes(64 << 20)
                        .setCpuPeriod(100_000)
                        .setCpuQuota(50_000)
                        .setCpuShares(512)
                        .setOomScoreAdj(300)))
        .start();
  }

  private TestContainer sideCar(TestPod pod) {
    return pod.container()
        .shell(
            """
            echo started; echo complaint >&2
            printf 'written by the side-car' > /out/index.html
            echo written; sleep 1000000
            """)
        .mount(volume, "/out", false)
        .start();
  }

  private static String page(TestPod pod) throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client
          .send(
              HttpRequest.newBuilder(URI.create("http://%s:%d/".formatted(pod.ip(), PORT)))
                  .timeout(Duration.ofSeconds(5))
                  .build(),
              HttpResponse.BodyHandlers.ofString())
          .body();
    }
  }

  private ContainerStats stats(TestContainer container) {
    return cri()
        .runtime(CALL)
        .containerStats(ContainerStatsRequest.newBuilder().setContainerId(container.id()).build())
        .getStats();
  }

  private PodSandboxStats stats(TestPod pod) {
    return cri()
        .runtime(CALL)
        .podSandboxStats(PodSandboxStatsRequest.newBuilder().setPodSandboxId(pod.id()).build())
        .getStats();
  }

  private static List<String> units(TestPod pod) {
    return Command.of("systemctl", "list-units", "--all", "--plain", "--no-legend")
        .runChecked()
        .text()
        .lines()
        .filter(line -> line.contains(pod.id().substring(0, 12)))
        .toList();
  }

  private static String described(ExecSyncResponse response) {
    return "%d: %s, %s"
        .formatted(
            response.getExitCode(),
            response.getStdout().toStringUtf8(),
            response.getStderr().toStringUtf8());
  }

  private static String described(ContainerStatus status) {
    return "%s, %d, %s".formatted(status.getState(), status.getExitCode(), status.getReason());
  }
}
