package io.stagelet.testhost.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import io.stagelet.testhost.Node;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.Timeout;

/**
 * A real kubelet with static pods, on the installed package, called and configured as {@code
 * docs/install.md} says. It is not run with the others, since kubelet is nobody's package: {@code
 * testhost/kubelet} brings one.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@Timeout(300)
class KubeletAcceptance {
  private static final Path PROJECT = Path.of("").toAbsolutePath().getParent();
  private static final Node NODE = new Node(PROJECT.resolve("testhost/inside"));
  private static final Path MANIFESTS = Path.of("/etc/kubernetes/manifests");
  private static final String IMAGE = "127.0.0.1:5000/e2e-test-images/busybox:latest";
  private static final Duration SOON = Duration.ofSeconds(90);
  private static final Pattern CONFIGURATION =
      Pattern.compile("(?s) {4}cat > (/etc/kubernetes/kubelet\\.yaml) <<EOF\n(.*?) {4}EOF\n");

  private static final Path CONFIGURED = Path.of("/etc/kubernetes/kubelet.yaml");
  private static final KubeletClient KUBELET = new KubeletClient();

  private static String documentedConfiguration = "";

  @BeforeAll
  static void startIt() throws IOException {
    String kubelet = System.getenv().getOrDefault("KUBELET", "");
    assertThat(kubelet).as("testhost/kubelet calls this, with a kubelet in KUBELET").isNotEmpty();
    shell(
        "OUT=/var/tmp/packages VERSION=1.0.0 SOURCE_DATE_EPOCH=1790000000 %s/dist/package deb >&2"
            .formatted(PROJECT));
    shell("PACKAGES=/var/tmp/packages %s/testhost/inside installed".formatted(PROJECT));
    NODE.pushImages("e2e-test-images/busybox");
    // a container has no kernel log, and the machine no way out; kubelet wants both
    shell("[ -e /dev/kmsg ] || ln -s null /dev/kmsg");
    shell(
        "ip route show default | grep -q . || { ip link add uplink type veth peer name nowhere;"
            + " ip addr add 192.0.2.2/24 dev uplink; ip link set uplink up;"
            + " ip link set nowhere up; ip route add default via 192.0.2.1; }");
    Files.createDirectories(MANIFESTS);
    Matcher documented =
        CONFIGURATION.matcher(Files.readString(PROJECT.resolve("docs/install.md")));
    assertThat(documented.find()).as("docs/install.md has kubelet's configuration").isTrue();
    assertThat(documented.group(1)).isEqualTo(CONFIGURED.toString());
    String configuration = documented.group(2).replaceAll("(?m)^ {4}", "");
    if (!enforces()) {
      // kubelet makes no groups for its classes of pods then
      configuration += "cgroupsPerQOS: false\nenforceNodeAllocatable: []\n";
    }
    documentedConfiguration = configuration;
    Files.writeString(CONFIGURED, configuration);
    shell(
        "systemd-run --quiet --unit=kubelet --property=Restart=on-failure %s --config=%s --v=2"
            .formatted(kubelet, CONFIGURED));
    await()
        .atMost(SOON)
        .ignoreExceptions()
        .untilAsserted(
            () -> assertThat(KUBELET.text("/healthz")).as("%s", lastWords()).isEqualTo("ok"));
  }

  private static String lastWords() {
    return shell("journalctl -u kubelet -n 20 -o cat");
  }

  /** Starts kubelet again with some more in its configuration. */
  private static void configured(String more) throws IOException {
    Files.writeString(CONFIGURED, documentedConfiguration + more);
    shell("systemctl restart kubelet");
    await().atMost(SOON).ignoreExceptions().until(() -> KUBELET.text("/healthz").equals("ok"));
  }

  /** kubelet keeps the record of a sandbox that is down until it next tidies up, every minute. */
  @AfterEach
  void removeManifests() throws IOException {
    try (var files = Files.list(MANIFESTS)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(shell("systemctl list-units --all --plain --no-legend 'pod-*' 'ctr-*'"))
                .isEmpty());
    assertThat(shell("stagelet pods --json")).doesNotContain("\"READY\"");
  }

  /** Whether this machine has the controllers that a node has, and a container may not. */
  private static boolean enforces() throws IOException {
    return Files.readString(Path.of("/sys/fs/cgroup/cgroup.controllers")).contains("memory");
  }

  private static String shell(String command) {
    return NODE.run(List.of("sh", "-c", command));
  }

  /** Hands kubelet a pod; a manifest is there at once or not at all. */
  private static void apply(String name, String spec) throws IOException {
    Path file =
        Files.writeString(
            Path.of("/etc/kubernetes/" + name + ".new"),
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: %s, namespace: default, labels: {app: %1$s}}
            spec:
            %2$s\
            """
                .formatted(name, spec.indent(2)));
    Files.move(file, MANIFESTS.resolve(name + ".yaml"));
  }

  /** kubelet puts the node's name behind that of a static pod. */
  private static String onNode(String name) {
    return name + "-testhost";
  }

  private static JsonNode status(String name) {
    return KUBELET
        .pod(onNode(name))
        .map(pod -> pod.path("status"))
        .orElse(MissingNode.getInstance());
  }

  private static boolean ready(String name) {
    return status(name)
        .path("conditions")
        .valueStream()
        .anyMatch(condition ->
            condition.path("type").asText().equals("Ready")
                && condition.path("status").asText().equals("True"));
  }

  private static void awaitReady(String name) {
    await()
        .atMost(SOON)
        .ignoreExceptions()
        .untilAsserted(
            () -> assertThat(ready(name)).as("%s", status(name).toPrettyString()).isTrue());
  }

  private static JsonNode container(String pod, String name) {
    return status(pod)
        .path("containerStatuses")
        .valueStream()
        .filter(status -> status.path("name").asText().equals(name))
        .findFirst()
        .orElse(MissingNode.getInstance());
  }

  private static int restarts(String pod, String name) {
    return container(pod, name).path("restartCount").asInt(-1);
  }

  private static final String WEB =
      """
      containers:
      - name: web
        image: %s
        command: [sh, -c, "mkdir /www; echo hello > /www/index.html; echo serving; exec httpd -f -p 8080 -h /www"]
        startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        readinessProbe: {httpGet: {path: /index.html, port: 8080}, periodSeconds: 1}
        livenessProbe: {exec: {command: [cat, /www/index.html]}, periodSeconds: 1, failureThreshold: 1}
        resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {memory: 64Mi}}
      terminationGracePeriodSeconds: 1
      """
          .formatted(IMAGE);

  @Test
  @Order(1)
  void aPodComesUpAndItsProbesSayWhetherItIsReady() throws IOException {
    apply("web", WEB);
    awaitReady("web");

    assertThat(restarts("web", "web")).isZero();
    assertThat(status("web").path("podIP").asText()).isNotEmpty();
    if (enforces()) {
      // kubelet asked the runtime for the driver of control groups: nothing in the file says it
      assertThat(shell("systemctl show -p Slice 'pod-*'")).contains("kubepods-burstable-pod");
    }
    String name = "/default/" + onNode("web") + "/web";
    assertThat(KUBELET.text("/containerLogs" + name)).isEqualTo("serving\n");
    assertThat(KUBELET.text("/containerLogs" + name + "?timestamps=true&tailLines=1"))
        .matches("[-0-9]+T[^ ]+ serving\n");
    assertThat(KUBELET.post("/run" + name + "?cmd=cat%20/www/index.html")).isEqualTo("hello\n");
    assertThat(KUBELET.exec("/exec" + name + "?command=echo&command=streamed&output=1&error=1"))
        .isEqualTo("streamed\n");

    shell("stagelet logs default/" + onNode("web") + " | grep -x serving");
    KUBELET.post("/run" + name + "?cmd=mv%20/www/index.html%20/www/gone.html");
    await().atMost(SOON).until(() -> restarts("web", "web") == 1);
    awaitReady("web");
    assertThat(KUBELET.text("/containerLogs" + name + "?previous=true")).isEqualTo("serving\n");
  }

  @Test
  @Order(2)
  void theStatisticsOfAPodAreThere() throws IOException {
    apply("measured", WEB);
    awaitReady("measured");

    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          JsonNode summary = KUBELET.json("/stats/summary");
          assertThat(summary.at("/node/runtime/imageFs/capacityBytes").asLong()).isPositive();
          Optional<JsonNode> found =
              summary
                  .path("pods")
                  .valueStream()
                  .filter(pod -> pod.at("/podRef/name").asText().equals(onNode("measured")))
                  .findFirst();
          assertThat(found).isPresent();
          JsonNode pod = found.get();
          JsonNode container = pod.at("/containers/0");
          assertThat(container.path("name").asText()).isEqualTo("web");
          assertThat(container.at("/cpu/usageCoreNanoSeconds").asLong()).isPositive();
          if (enforces()) {
            assertThat(container.at("/memory/workingSetBytes").asLong()).isPositive();
          }
          assertThat(container.at("/rootfs/usedBytes").asLong()).isPositive();
          assertThat(container.at("/logs/usedBytes").asLong()).isPositive();
        });
  }

  @Test
  @Order(3)
  void initContainersSidecarsHooksAndVolumesDoWhatTheyAreFor() throws IOException {
    apply(
        "busy",
        """
        volumes:
        - {name: shared, emptyDir: {}}
        - {name: memory, emptyDir: {medium: Memory}}
        initContainers:
        - name: first
          image: %1$s
          command: [sh, -c, "echo first > /shared/order"]
          volumeMounts: [{name: shared, mountPath: /shared}]
        - name: sidecar
          image: %1$s
          restartPolicy: Always
          command: [sh, -c, "echo sidecar >> /shared/order; touch /shared/up; exec sleep 100000"]
          startupProbe: {exec: {command: [test, -e, /shared/up]}, periodSeconds: 1}
          volumeMounts: [{name: shared, mountPath: /shared}]
        containers:
        - name: main
          image: %1$s
          command: [sh, -c, "echo main >> /shared/order; cat /shared/order; id -u; mount | grep -c ' /memory '; exec sleep 100000"]
          lifecycle:
            postStart: {exec: {command: [sh, -c, "echo started > /memory/hook"]}}
            preStop: {exec: {command: [sh, -c, "echo stopping > /proc/1/fd/1"]}}
          securityContext: {runAsUser: 1234, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
          volumeMounts: [{name: shared, mountPath: /shared}, {name: memory, mountPath: /memory}]
          readinessProbe: {exec: {command: [cat, /memory/hook]}, periodSeconds: 1}
        securityContext: {fsGroup: 4321}
        terminationGracePeriodSeconds: 5
        """
            .formatted(IMAGE));
    awaitReady("busy");

    assertThat(KUBELET.text("/containerLogs/default/" + onNode("busy") + "/main").lines())
        .containsExactly("first", "sidecar", "main", "1234", "1");

    Files.delete(MANIFESTS.resolve("busy.yaml"));
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(shell("stagelet logs default/%s main".formatted(onNode("busy"))))
                .contains("stopping"));
  }

  @Test
  @Order(4)
  void aContainerThatEndsIsStartedAgainAndHowItEndedIsTold() throws IOException {
    apply(
        "ends",
        """
        containers:
        - name: ends
          image: %s
          command: [sh, -c, "echo why > /dev/termination-log; sleep 1; exit 7"]
        """
            .formatted(IMAGE));
    await().atMost(SOON).ignoreExceptions().until(() -> restarts("ends", "ends") >= 1);

    JsonNode last = container("ends", "ends").at("/lastState/terminated");
    assertThat(last.path("exitCode").asInt()).isEqualTo(7);
    assertThat(last.path("reason").asText()).isEqualTo("Error");
    assertThat(last.path("message").asText()).isEqualTo("why\n");
  }

  @Test
  @Order(5)
  void aPodOnTheNodesNetworkIsThere() throws IOException {
    apply(
        "onnode",
        """
        hostNetwork: true
        hostPID: true
        containers:
        - name: main
          image: %s
          command: [sh, -c, "ip link show uplink && exec sleep 100000"]
          securityContext: {privileged: true}
          readinessProbe: {exec: {command: [test, -e, /dev/fuse]}, periodSeconds: 1}
        terminationGracePeriodSeconds: 1
        """
            .formatted(IMAGE));
    awaitReady("onnode");

    assertThat(KUBELET.text("/containerLogs/default/" + onNode("onnode") + "/main"))
        .contains("uplink");
  }

  @Test
  @Order(6)
  void nothingIsNoticedOfARestartOfKubeletOrOfStagelet() throws IOException {
    apply("kept", WEB);
    awaitReady("kept");
    String before = shell("pgrep -f 'httpd -f -p 8080'");

    shell("systemctl restart kubelet");
    awaitReady("kept");
    assertThat(restarts("kept", "web")).isZero();
    shell("systemctl restart stagelet");
    awaitReady("kept");
    // kubelet has asked for the pods a few times by then
    await()
        .during(Duration.ofSeconds(5))
        .atMost(SOON)
        .ignoreExceptions()
        .until(() -> ready("kept") && restarts("kept", "web") == 0);
    assertThat(shell("pgrep -f 'httpd -f -p 8080'")).isEqualTo(before);
  }

  @Test
  @Order(7)
  void anImageThatIsNotThereIsSaid() throws IOException {
    apply(
        "absent",
        """
        containers:
        - {name: absent, image: "127.0.0.1:5000/no/such:1"}
        """);

    await()
        .atMost(SOON)
        .ignoreExceptions()
        .untilAsserted(() ->
            assertThat(container("absent", "absent").at("/state/waiting/reason").asText())
                .isIn("ErrImagePull", "ImagePullBackOff"));
  }

  /** Names of the values in a piece of a summary, those of a list's entries by their names. */
  private static Set<String> values(String path, JsonNode node) {
    Set<String> names = new TreeSet<>();
    if (node.isObject()) {
      node.properties()
          .forEach(one -> names.addAll(values(path + "/" + one.getKey(), one.getValue())));
    } else if (node.isArray()) {
      node.forEach(one -> names.addAll(values(path + "/" + one.path("name").asText(), one)));
    } else {
      names.add(path);
    }
    return names;
  }

  private static JsonNode summary(String pod) {
    return KUBELET
        .json("/stats/summary")
        .path("pods")
        .valueStream()
        .filter(one -> one.at("/podRef/name").asText().equals(onNode(pod)))
        .findFirst()
        .orElse(MissingNode.getInstance());
  }

  /** What is told about a pod at /metrics/cadvisor. */
  private static Set<String> metrics(String pod) {
    return KUBELET
        .text("/metrics/cadvisor")
        .lines()
        .filter(line -> line.contains("pod=\"" + onNode(pod) + "\""))
        .map(line -> line.substring(0, line.indexOf('{')))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  @Order(8)
  void theStatisticsThatStageletGivesAreThoseOfCadvisor() throws IOException {
    apply("counted", WEB);
    awaitReady("counted");
    await()
        .atMost(SOON)
        .until(() -> summary("counted").at("/containers/0/cpu/usageNanoCores").asLong(-1) >= 0);
    Set<String> ofCadvisor = values("", summary("counted"));
    Set<String> metricsOfCadvisor = metrics("counted");
    configured("featureGates: {PodAndContainerStatsFromCRI: true}\n");
    try {
      awaitReady("counted");
      await()
          .atMost(SOON)
          .untilAsserted(() -> {
            JsonNode pod = summary("counted");
            assertThat(values("", pod)).containsAll(ofCadvisor);
            assertThat(pod.at("/network/rxBytes").asLong()).isPositive();
            assertThat(pod.at("/process_stats/process_count").asLong()).isPositive();
            assertThat(metrics("counted")).containsAll(metricsOfCadvisor);
          });
    } finally {
      configured("");
    }
  }

  @Test
  @Order(9)
  void imagesThatNobodyUsesAreRemovedWhenTheDiskIsSaidToBeFull() throws IOException {
    String unused = "127.0.0.1:5000/k8s-staging-cri-tools/test-image-1:latest";
    NODE.pushImages("k8s-staging-cri-tools/test-image-1");
    shell("stage0 pull " + unused);
    apply("using", WEB);
    awaitReady("using");
    assertThat(shell("stage0 list")).contains("test-image-1", "busybox");

    configured("evictionHard: {nodefs.available: \"99%\", imagefs.available: \"99%\"}\n");
    try {
      await()
          .atMost(SOON)
          .untilAsserted(() ->
              assertThat(shell("stage0 list")).doesNotContain("test-image-1").contains("busybox"));
      assertThat(restarts("using", "web")).isZero();
    } finally {
      configured("");
    }
  }
}
