package io.stagelet.testhost.packages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.ListPodSandboxRequest;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;

/**
 * The Debian package in a machine of its own: made, installed, used, broken, upgraded, removed and
 * purged, in this order; each step stands on the one before it.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(300)
class PackageIT {
  private static final Path PROJECT = Path.of("").toAbsolutePath().getParent();
  private static final Node NODE = new Node(PROJECT.resolve("testhost/inside"));
  private static final Path OUT = Path.of("/var/tmp/stagelet-packages");
  private static final Path SOCKET = Path.of("/run/stagelet/stagelet.sock");
  private static final String IMAGE = "127.0.0.1:5000/e2e-test-images/busybox:latest";
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final Path DROP_INS = Path.of("/etc/stagelet/stagelet.toml.d");
  private static final int PODS = 20;

  /** The files that were there before it was installed. */
  private static Set<String> before = Set.of();

  /**
   * Says a number twice a second: what is lost or said twice is seen; and ends when it is asked.
   */
  private static final String COUNTING =
      "trap 'echo goodbye; exit 0' TERM; echo hello; i=0;"
          + " while :; do i=$((i + 1)); echo number $i; sleep 0.5; done";

  @BeforeAll
  static void makeIt() {
    assertThat(PROJECT.resolve("cri-server/target/stagelet/lib"))
        .as("build cri-server first: ./mvnw -DskipTests -pl cri-server -am package")
        .isDirectory();
    before = files();
    build(OUT, "1.0.0", "", "tar deb");
  }

  private static void build(Path out, String version, String keepTree, String kinds) {
    String made =
        shell(
            "OUT=%s VERSION=%s KEEP_TREE=%s SOURCE_DATE_EPOCH=1790000000 %s/dist/package %s"
                .formatted(out, version, keepTree, PROJECT, kinds));
    assertThat(made).endsWith("stagelet_%s_amd64.deb".formatted(version));
  }

  private static String shell(String command) {
    return NODE.run(List.of("sh", "-c", command));
  }

  private static Node.Outcome attempt(String command) {
    return NODE.attempt(List.of("sh", "-c", command + " 2>&1"));
  }

  private static void install(String version) {
    shell(
        "DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold install"
            + " %s/stagelet_%s_amd64.deb >&2".formatted(OUT, version));
  }

  @Test
  @Order(1)
  void theSameSourcesGiveTheSameBytesInAnotherFolder() {
    Path elsewhere = Path.of("/var/tmp/stagelet-packages-made/once/again");
    shell("mkdir -p " + elsewhere);
    build(elsewhere, "1.0.0", "", "tar deb");

    assertThat(attempt("diff -rq %s/root %s/root".formatted(OUT, elsewhere)))
        .isEqualTo(new Node.Outcome(0, ""));
    String sums = "cd %s && sha256sum stagelet_*.deb stagelet-*.tar.gz";
    assertThat(shell(sums.formatted(elsewhere))).isEqualTo(shell(sums.formatted(OUT)));
    shell("rm -r /var/tmp/stagelet-packages-made");
  }

  @Test
  @Order(1)
  void itIsInstalledAndServesAtOnce() {
    install("1.0.0");

    assertThat(shell("systemctl is-active stagelet.service stagelet.socket"))
        .isEqualTo("active\nactive");
    assertThat(shell("stagelet version")).isEqualTo("stagelet 1.0.0");
    assertThat(shell("stagelet config check")).contains("no mistakes");
    assertThat(shell("systemctl show -p Type -p WatchdogUSec -p FileDescriptorStoreMax stagelet"))
        .contains("Type=notify-reload", "WatchdogUSec=1min", "FileDescriptorStoreMax=16384");
    assertThat(shell("journalctl --list-catalog | grep -c Stagelet").strip()).isNotEqualTo("0");
    assertThat(shell("stat -c %a:%U:%G " + SOCKET)).isEqualTo("660:root:root");
  }

  /**
   * What a class is loaded from: the archive, or a jar. Those that the JVM makes up for lambdas are
   * neither; picocli's are made for Java 5, and such are not linked in advance.
   */
  private static final Pattern LOADED =
      Pattern.compile(
          "(?m) (?:source: (?<archive>shared objects file)|source: (?:file|jrt):(?!.*/picocli-).*)");

  @Test
  @Order(2)
  void theArchivesHaveTheClassesThatAreLoaded() throws IOException {
    Path log = Path.of("/tmp/classes.log");
    Path dropIn = Path.of("/run/systemd/system/stagelet.service.d/classes.conf");
    Files.createDirectories(dropIn.getParent());
    Files.writeString(
        dropIn,
        "[Service]\nEnvironment=STAGELET_JAVA_OPTS=-Xlog:class+load=info:file=%s\n".formatted(log));
    try {
      shell("systemctl daemon-reload && systemctl restart stagelet && stagelet status || true");
      theArchiveHas(log, "server");
    } finally {
      Files.delete(dropIn);
      shell("systemctl daemon-reload && systemctl restart stagelet");
    }
    for (String words : List.of("version", "status", "pods", "logs pod")) {
      attempt("STAGELET_JAVA_OPTS=-Xlog:class+load=info:file=%s stagelet %s".formatted(log, words));
      theArchiveHas(log, "client");
    }
  }

  private static void theArchiveHas(Path log, String list) throws IOException {
    List<MatchResult> loaded = LOADED.matcher(Files.readString(log)).results().toList();
    List<String> missed =
        loaded.stream()
            .filter(match -> match.group("archive") == null)
            .map(MatchResult::group)
            .toList();
    assertThat(loaded).hasSizeGreaterThan(500);
    assertThat(missed.size())
        .as("dist/classes/%s.classlist is out of date: dist/train renews it%n%s", list, missed)
        .isLessThan(loaded.size() / 20);
  }

  @Test
  @Order(2)
  void aNodeWithoutANetworkOrDiskIsTold() throws IOException {
    Node.Outcome status = attempt("stagelet status");

    assertThat(status.exitCode()).isEqualTo(1);
    assertThat(status.output()).contains("BROKEN network: no CNI network in /etc/cni/net.d");
    assertThat(status.output())
        .contains("ok     cri", "ok     systemd", "ok     runtime", "ok     disk");

    shell("mkdir -p /mnt/small && mount -t tmpfs -o size=64m tmpfs /mnt/small");
    shell("head -c 62M /dev/zero > /mnt/small/fill");
    Path dropIn = Files.writeString(DROP_INS.resolve("50-small.toml"), "root = \"/mnt/small\"\n");
    try {
      assertThat(shell("stagelet config show")).contains(dropIn + ":1");
      shell("systemctl restart stagelet");
      assertThat(attempt("stagelet status").output())
          .contains("BROKEN disk: the filesystem of /mnt/small is full to 9", "stage0 prune");
    } finally {
      Files.delete(dropIn);
      shell("systemctl restart stagelet");
      shell("umount /mnt/small && rmdir /mnt/small");
    }
    assertThat(attempt("stagelet status").output()).contains("ok     disk");
  }

  @Test
  @Order(3)
  void withANetworkAllIsWellAndPodsRun() {
    shell(PROJECT + "/testhost/inside network");
    NODE.pushImages("e2e-test-images/busybox");

    await().atMost(SOON).until(() -> attempt("stagelet status").exitCode() == 0);
    try (CriConnection cri = new CriConnection(SOCKET)) {
      for (int i = 0; i < PODS; i++) {
        startPod(cri, "pod" + i);
      }
    }

    assertThat(shell("stagelet pods").lines())
        .hasSize(PODS + 1)
        .anyMatch(line -> line.contains("pod0"));
    assertThat(shell("COLUMNS=60 stagelet ps").lines())
        .hasSize(PODS + 1)
        .allMatch(line -> line.length() <= 60);
    assertThat(shell("stagelet ps --json")).contains("\"state\" : \"RUNNING\"");
    assertThat(shell("stagelet top")).contains("pod3");
    assertThat(shell("stagelet inspect pod1")).contains("\"kind\" : \"pod\"");
    assertThat(shell("stagelet inspect app")).contains("SECRET=…").doesNotContain("hunter2");
    assertThat(shell("stagelet metrics"))
        .contains(
            "stagelet_containers{state=\"RUNNING\"} " + PODS,
            "stagelet_stage_duration_seconds_count{operation=\"RunPodSandbox\",stage=\"network\",outcome=\"done\"}"
                + " "
                + PODS,
            "stagelet_part_healthy{part=\"network\"} 1");
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(shell("stagelet logs default/pod2")).contains("hello"));
    shell("stagelet story default/pod2 > /dev/null");
    assertThat(shell("journalctl -x --no-pager -t stagelet K8S_POD_NAME=pod2"))
        .as("explained by the message catalog")
        .contains("Subject: A pod is up", "Subject: Container app runs");
  }

  @Test
  @Order(4)
  void everyCommandInTheDocumentsDoesWhatItSays() throws IOException {
    String image = "127.0.0.1:5000/k8s-staging-cri-tools/test-image-1:latest";
    NODE.pushImages("k8s-staging-cri-tools/test-image-1");
    List<String> commands = DocumentedCommands.with(PROJECT, "pod1", image);

    assertThat(commands).hasSizeGreaterThan(30);
    for (String command : commands) {
      Node.Outcome outcome = attempt(command);
      // a container that was started once has no run before that
      boolean fails = command.contains("--previous");
      assertThat(outcome.exitCode())
          .as("%s%n%s", command, outcome.output())
          .isEqualTo(fails ? 1 : 0);
    }
    assertThat(shell("stagelet story default/pod1 --json | head -n 1")).startsWith("{\"time\":");
    assertThat(shell("stagelet logs default/pod1 --json | head -n 1"))
        .contains("\"line\":\"hello\"");
    assertThat(shell("stagelet support --json -o /tmp/support.tar.gz"))
        .contains("/tmp/support.tar.gz");
    assertThat(shell("tar -xzOf /tmp/support.tar.gz")).doesNotContain("hunter2");
  }

  private static void startPod(CriConnection cri, String name) {
    ImageSpec image = ImageSpec.newBuilder().setImage(IMAGE).build();
    var _ = cri.images().pullImage(PullImageRequest.newBuilder().setImage(image).build());
    PodSandboxConfig pod =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setNamespace("default")
                    .setName(name)
                    .setUid("uid-" + name))
            .setLogDirectory("/var/log/pods/default_" + name)
            .build();
    String sandbox =
        cri.runtime()
            .runPodSandbox(RunPodSandboxRequest.newBuilder().setConfig(pod).build())
            .getPodSandboxId();
    String container =
        cri.runtime()
            .createContainer(
                CreateContainerRequest.newBuilder()
                    .setPodSandboxId(sandbox)
                    .setConfig(
                        ContainerConfig.newBuilder()
                            .setMetadata(ContainerMetadata.newBuilder().setName("app"))
                            .setImage(image)
                            .addEnvs(
                                io.stagelet.cri.v1.KeyValue.newBuilder()
                                    .setKey("SECRET")
                                    .setValue(
                                        com.google.protobuf.ByteString.copyFromUtf8("hunter2")))
                            .addAllCommand(List.of("sh", "-c", COUNTING))
                            .setLogPath("app.log"))
                    .setSandboxConfig(pod)
                    .build())
            .getContainerId();
    var _ =
        cri.runtime()
            .startContainer(StartContainerRequest.newBuilder().setContainerId(container).build());
  }

  @Test
  @Order(4)
  void whatIsBrokenIsNamed() throws IOException {
    broken(
        "mv /usr/bin/crun /usr/bin/crun.away",
        "runtime: handler 'crun': there is no OCI runtime at /usr/bin/crun",
        "mv /usr/bin/crun.away /usr/bin/crun");
    broken(
        "mv /etc/cni/net.d /etc/cni/away",
        "network: ",
        "rm -rf /etc/cni/net.d; mv /etc/cni/away /etc/cni/net.d");
    broken(
        "systemctl stop dbus.socket dbus.service",
        "systemd: there has been no connection to the bus",
        "systemctl start dbus.socket");
    broken(
        "systemctl kill --signal=STOP systemd-journald",
        "journal: ",
        "systemctl kill --signal=CONT systemd-journald");
    try (CriConnection cri = new CriConnection(SOCKET)) {
      ImageSpec absent = ImageSpec.newBuilder().setImage("127.0.0.1:9/nobody/there:1").build();
      assertThat(
              catchThrowable(() ->
                  cri.images().pullImage(PullImageRequest.newBuilder().setImage(absent).build())))
          .hasMessageContaining("RegistryUnavailable");
    }
    Node.Outcome status = attempt("stagelet status");
    assertThat(status.exitCode()).isEqualTo(1);
    assertThat(status.output()).contains("BROKEN registry: the last pull from 127.0.0.1:9 failed");
    assertThat(status.output()).contains("registries.conf");
    // nobody will ever pull from there with success
    shell("systemctl restart stagelet");
  }

  @Test
  @Order(5)
  void aReloadSaysWhatIsWrongAndWhatWaits() throws IOException {
    Path dropIn = DROP_INS.resolve("50-test.toml");
    Files.writeString(dropIn, "[log]\nlevel = \"debug\"\nlevle = 3\n");
    assertThat(attempt("stagelet config check").output())
        .contains(dropIn + ":3: log.levle: there is no such key");
    shell("systemctl reload stagelet");
    assertThat(shell("systemctl show -p StatusText stagelet")).contains("mistakes");
    Files.writeString(dropIn, "socket = \"/run/stagelet/other.sock\"\n[log]\nlevel = \"debug\"\n");
    shell("systemctl reload stagelet");
    assertThat(shell("systemctl show -p StatusText stagelet"))
        .contains("a restart is needed for socket");
    Files.delete(dropIn);
    shell("systemctl reload stagelet");
    assertThat(shell("systemctl show -p StatusText stagelet")).endsWith("Serving CRI");
  }

  @Test
  @Order(5)
  void aRegistrysMirrorIsTakenUpByAReload() throws IOException {
    Path mirrors = Path.of("/etc/containers/registries.conf.d/50-test.conf");
    Files.createDirectories(mirrors.getParent());
    String published = "published.example/e2e-test-images/busybox:latest";
    try (CriConnection cri = new CriConnection(SOCKET)) {
      ImageSpec image = ImageSpec.newBuilder().setImage(published).build();
      PullImageRequest pull = PullImageRequest.newBuilder().setImage(image).build();
      Files.writeString(mirrors, mirror("127.0.0.1:9"));
      shell("systemctl reload stagelet");
      assertThat(catchThrowable(() -> cri.images().pullImage(pull))).hasMessageContaining(":9");
      assertThat(attempt("stagelet status").output())
          .contains("BROKEN registry: the last pull from published.example failed");

      Files.writeString(mirrors, mirror("127.0.0.1:5000"));
      shell("systemctl reload stagelet");
      var _ = cri.images().pullImage(pull);
      assertThat(attempt("stagelet status").output()).doesNotContain("published.example");
    } finally {
      Files.delete(mirrors);
    }
  }

  private static String mirror(String location) {
    return """
    [[registry]]
    location = "published.example"
    [[registry.mirror]]
    location = "%s"
    insecure = true
    """
        .formatted(location);
  }

  @Test
  @Order(5)
  void metricsAndTracesGoWhereTheyAreConfiguredTo() throws Exception {
    List<String> traces = new CopyOnWriteArrayList<>();
    HttpServer collector =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    collector.createContext(
        "/v1/traces",
        exchange -> {
          traces.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
          exchange.sendResponseHeaders(200, -1);
          exchange.close();
        });
    collector.start();
    Path dropIn =
        Files.writeString(
            DROP_INS.resolve("50-test.toml"),
            """
            metrics.address = "127.0.0.1:9441"
            traces.endpoint = "http://127.0.0.1:%d"
            """
                .formatted(collector.getAddress().getPort()));
    try {
      shell("systemctl restart stagelet");
      try (CriConnection cri = new CriConnection(SOCKET)) {
        startPod(cri, "traced");
        removePod(cri, "traced");
      }

      assertThat(page("/healthz")).isEqualTo("200 ok\n");
      assertThat(page("/metrics"))
          .startsWith("200 ")
          .contains("stagelet_stage_duration_seconds_count{operation=\"RunPodSandbox\"");
      assertThat(page("/v1/pods")).startsWith("404 ");
      theDashboardAndTheRulesFindTheirMetrics(page("/metrics"));
      shell("mv /etc/cni/net.d /etc/cni/away");
      try {
        await()
            .atMost(SOON)
            .untilAsserted(
                () -> assertThat(page("/healthz")).startsWith("503 ").contains("network: "));
      } finally {
        shell("rm -rf /etc/cni/net.d; mv /etc/cni/away /etc/cni/net.d");
      }
      await()
          .atMost(SOON)
          .untilAsserted(() ->
              assertThat(String.join("", traces))
                  .contains(
                      "runtime.v1.RuntimeService/RunPodSandbox",
                      "RunPodSandbox network",
                      "CreateContainer root filesystem",
                      "runtime.v1.ImageService/PullImage",
                      "{\"key\":\"k8s.pod.name\",\"value\":{\"stringValue\":\"traced\"}}"));
      assertThat(shell("stagelet metrics --json")).contains("\"stagelet_trace_spans_total\"");
    } finally {
      Files.delete(dropIn);
      collector.stop(0);
      shell("systemctl restart stagelet");
    }
  }

  /** The code and the text of a page on the configured address. */
  private static String page(String path) throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpResponse<String> answer =
          client.send(
              HttpRequest.newBuilder(URI.create("http://127.0.0.1:9441" + path)).build(),
              HttpResponse.BodyHandlers.ofString());
      return answer.statusCode() + " " + answer.body();
    }
  }

  /** What they ask for is served, and not only written down. */
  private static void theDashboardAndTheRulesFindTheirMetrics(String metrics) throws IOException {
    Pattern name = Pattern.compile("\\bstagelet_[a-z_]+");
    for (String file : List.of("grafana-dashboard.json", "alerts.yml")) {
      List<String> asked =
          name.matcher(Files.readString(PROJECT.resolve("docs/observe").resolve(file)))
              .results()
              .map(MatchResult::group)
              .distinct()
              // gauges of what is under way have samples only then
              .filter(metric -> !metric.matches(".*(_under_way|_oldest_seconds)"))
              .toList();
      assertThat(asked).hasSizeGreaterThan(5);
      assertThat(metrics).as(file).contains(asked);
    }
  }

  private static void removePod(CriConnection cri, String name) {
    cri.runtime().listPodSandbox(ListPodSandboxRequest.getDefaultInstance()).getItemsList().stream()
        .filter(pod -> pod.getMetadata().getName().equals(name))
        .map(PodSandbox::getId)
        .forEach(id -> {
          var _ =
              cri.runtime()
                  .removePodSandbox(
                      RemovePodSandboxRequest.newBuilder().setPodSandboxId(id).build());
        });
  }

  private static void broken(String breakIt, String words, String mendIt) {
    shell(breakIt);
    try {
      Node.Outcome status = attempt("stagelet status");
      assertThat(status.exitCode()).isEqualTo(1);
      assertThat(status.output()).contains("BROKEN " + words).contains("What to do: ");
    } finally {
      shell(mendIt);
    }
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(attempt("stagelet status").output()).doesNotContain("BROKEN " + words));
  }

  @Test
  @Order(6)
  void anUpgradeIsNotNoticedByPods() throws IOException {
    List<String> running = processes();
    assertThat(running).hasSize(PODS).noneMatch(unit -> unit.contains("MainPID=0"));
    Files.writeString(Path.of("/etc/stagelet/stagelet.toml"), "[log]\nlevel = \"info\"\n");
    String server = shell("systemctl show -p MainPID stagelet");

    build(OUT, "1.0.1", "yes", "deb");
    install("1.0.1");

    assertThat(shell("dpkg-query -W -f '${Version}' stagelet")).isEqualTo("1.0.1");
    assertThat(shell("systemctl show -p MainPID stagelet")).isNotEqualTo(server);
    assertThat(processes()).isEqualTo(running);
    assertThat(shell("stagelet ps").lines()).hasSize(PODS + 1);
    assertThat(shell("stagelet ps --json")).doesNotContain("\"attempt\" : 1");
    assertThat(shell("cat /etc/stagelet/stagelet.toml")).isEqualTo("[log]\nlevel = \"info\"");
    for (int i = 0; i < PODS; i++) {
      int upgraded = numbers(i).size();
      int pod = i;
      await().atMost(SOON).until(() -> numbers(pod).size() > upgraded + 1);
      List<Integer> numbers = numbers(i);
      assertThat(numbers)
          .as("the log of pod%d has all that it said, once", i)
          .isEqualTo(IntStream.rangeClosed(1, numbers.size()).boxed().toList());
    }
  }

  /** What a pod has said so far, as kubelet's log has it. */
  private static List<Integer> numbers(int pod) throws IOException {
    return Files.readAllLines(Path.of("/var/log/pods/default_pod" + pod, "app.log")).stream()
        .filter(line -> line.contains(" F number "))
        .map(line -> Integer.valueOf(line.substring(line.lastIndexOf(' ') + 1)))
        .toList();
  }

  /** The containers' first processes, as systemd knows them, and since when. */
  private static List<String> processes() {
    return Arrays.stream(
            shell(
                    "systemctl show -p Id -p MainPID -p NRestarts -p ExecMainStartTimestampMonotonic"
                        + " 'ctr-*'")
                .split("\n\n"))
        .sorted()
        .toList();
  }

  @Test
  @Order(7)
  void aHangingServerIsStartedAgain() {
    String server = shell("systemctl show -p MainPID --value stagelet");
    shell("mkdir -p /run/systemd/system/stagelet.service.d");
    shell(
        "printf '[Service]\\nWatchdogSec=10s\\n' >"
            + " /run/systemd/system/stagelet.service.d/quick.conf");
    shell("systemctl daemon-reload && systemctl restart stagelet");
    String before = shell("systemctl show -p MainPID --value stagelet");
    assertThat(before).isNotEqualTo(server);
    List<String> pods = processes();

    shell("kill -STOP " + before);

    await()
        .atMost(Duration.ofMinutes(3))
        .until(() -> {
          String now = shell("systemctl show -p MainPID --value stagelet");
          return !now.equals(before)
              && !now.equals("0")
              && attempt("systemctl is-active --quiet stagelet").exitCode() == 0;
        });
    shell("rm -r /run/systemd/system/stagelet.service.d && systemctl daemon-reload");
    assertThat(shell("stagelet ps").lines()).hasSize(PODS + 1);
    assertThat(processes()).isEqualTo(pods);
  }

  @Test
  @Order(8)
  void removedAndPurgedNothingIsLeftButTheStore() throws IOException {
    shell("DEBIAN_FRONTEND=noninteractive apt-get -y remove stagelet >&2");

    assertThat(shell("ps -eo args | grep '[e]cho number' || true")).isEmpty();
    // they were asked, and had their grace
    assertThat(shell("grep -l ' goodbye$' /var/log/pods/*/app.log").lines())
        .hasSizeGreaterThanOrEqualTo(PODS);
    assertThat(shell("systemctl list-units --all --plain --no-legend 'pod-*' 'ctr-*' 'stagelet*'"))
        .isEmpty();
    assertThat(shell("grep -c stagelet /proc/self/mountinfo || true")).isEqualTo("0");
    assertThat(Path.of("/etc/stagelet/stagelet.toml")).exists();
    assertThat(Path.of("/usr/lib/stagelet")).doesNotExist();
    assertThat(Path.of("/var/lib/stagelet/images")).exists();

    shell("DEBIAN_FRONTEND=noninteractive apt-get -y purge stagelet >&2");

    assertThat(left())
        .contains("/var/lib/stagelet")
        .allMatch(
            file -> file.equals("/var/lib/stagelet") || file.startsWith("/var/lib/stagelet/"));
    assertThat(shell("ip -o link | grep -c 'veth' || true")).isEqualTo("0");
    assertThat(shell("ls /run/netns 2> /dev/null || true")).isEmpty();

    install("1.0.1");
    shell("DEBIAN_FRONTEND=noninteractive STAGELET_PURGE_STORE=yes apt-get -y purge stagelet >&2");
    assertThat(left()).isEmpty();
  }

  @Test
  @Order(9)
  void theArchiveOfFilesIsInstalledUpgradedAndRemovedWithoutDpkg() {
    Path folder = Path.of("/var/tmp/stagelet-1.0.0-linux-x86_64");
    shell("tar -xf %s/%s.tar.gz -C /var/tmp".formatted(OUT, folder.getFileName()));
    shell(folder + "/install.sh >&2");

    assertThat(shell("systemctl is-active stagelet.service stagelet.socket"))
        .isEqualTo("active\nactive");
    assertThat(shell("stagelet version")).isEqualTo("stagelet 1.0.0");
    assertThat(shell("stagelet status")).doesNotContain("BROKEN");
    try (CriConnection cri = new CriConnection(SOCKET)) {
      startPod(cri, "kept");
    }
    List<String> running = processes();
    shell("echo '# mine' >> /etc/stagelet/stagelet.toml");
    shell("touch /usr/lib/stagelet/lib/of-a-version-before.jar");
    shell(
        "echo /usr/lib/stagelet/lib/of-a-version-before.jar >> /usr/lib/stagelet/installed-files");

    shell(folder + "/install.sh >&2");

    assertThat(processes()).isEqualTo(running).hasSize(1);
    assertThat(shell("tail -n 1 /etc/stagelet/stagelet.toml")).isEqualTo("# mine");
    assertThat(Path.of("/usr/lib/stagelet/lib/of-a-version-before.jar")).doesNotExist();

    shell(folder + "/install.sh --remove >&2");

    assertThat(shell("systemctl list-units --all --plain --no-legend 'pod-*' 'ctr-*' 'stagelet*'"))
        .isEmpty();
    assertThat(left())
        .contains("/etc/stagelet/stagelet.toml", "/var/lib/stagelet")
        .allMatch(file -> file.matches("(/etc|/var/lib)/stagelet(/.*)?"));
  }

  /** What is anybody's, or other programs' own, and what this test made. */
  private static final Pattern OF_OTHERS =
      Pattern.compile(
          "/run/crun|/var/lib/(dpkg|apt|docker-registry|systemd)(/.*)?|/var/(log|cache|tmp)(/.*)?|/etc/cni(/.*)?"
              + "|/etc/containers(/.*)?|/run/(systemd|udev|log|dbus|testhost)(/.*)?|/var/lib/cni(/(networks(/testhost(/(lock|last_reserved_ip\\.0))?)?)?)?"
              + "|/etc/ld\\.so\\.cache|/etc/hosts|/run/xtables\\.lock");

  /** All files where a program may have any. */
  private static Set<String> files() {
    return shell("find /etc /usr /opt /srv /run /var -xdev").lines().collect(Collectors.toSet());
  }

  /** What there is now and was not before. */
  private static List<String> left() {
    return files().stream()
        .filter(file -> !before.contains(file) && !OF_OTHERS.matcher(file).matches())
        .sorted()
        .toList();
  }
}
