package io.stagelet.testhost.packages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
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
  private static final int PODS = 5;

  @BeforeAll
  static void makeIt() {
    assertThat(PROJECT.resolve("cri-server/target/stagelet/lib"))
        .as("build cri-server first: ./mvnw -DskipTests -pl cri-server -am package")
        .isDirectory();
    build("1.0.0", "");
  }

  private static void build(String version, String keepTree) {
    String made =
        shell(
            "OUT=%s VERSION=%s KEEP_TREE=%s SOURCE_DATE_EPOCH=1790000000 %s/dist/package deb"
                .formatted(OUT, version, keepTree, PROJECT));
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
        "DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i %s/stagelet_%s_amd64.deb >&2"
            .formatted(OUT, version));
  }

  @Test
  @Order(1)
  void itIsInstalledAndServesAtOnce() {
    install("1.0.0");

    assertThat(shell("systemctl is-active stagelet.service stagelet.socket"))
        .isEqualTo("active\nactive");
    assertThat(shell("stagelet version")).startsWith("stagelet ");
    assertThat(shell("stagelet config check")).contains("no mistakes");
    assertThat(shell("systemctl show -p Type -p WatchdogUSec -p FileDescriptorStoreMax stagelet"))
        .contains("Type=notify-reload", "WatchdogUSec=1min", "FileDescriptorStoreMax=16384");
    assertThat(shell("journalctl --list-catalog | grep -c Stagelet").strip()).isNotEqualTo("0");
    assertThat(shell("stat -c %a:%U:%G " + SOCKET)).isEqualTo("660:root:root");
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

    assertThat(attempt("stagelet status").exitCode()).isZero();
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
                            .addAllCommand(List.of("sh", "-c", "echo hello; exec sleep 100000"))
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
    try (CriConnection cri = new CriConnection(SOCKET)) {
      ImageSpec absent = ImageSpec.newBuilder().setImage("127.0.0.1:9/nobody/there:1").build();
      assertThat(
              org.assertj.core.api.Assertions.catchThrowable(() ->
                  cri.images().pullImage(PullImageRequest.newBuilder().setImage(absent).build())))
          .hasMessageContaining("RegistryUnavailable");
    }
    Node.Outcome status = attempt("stagelet status");
    assertThat(status.exitCode()).isEqualTo(1);
    assertThat(status.output()).contains("BROKEN registry: the last pull from 127.0.0.1:9 failed");
    assertThat(status.output()).contains("registries.conf");
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

  private static void broken(String breakIt, String words, String mendIt) {
    shell(breakIt);
    try {
      Node.Outcome status = attempt("stagelet status");
      assertThat(status.exitCode()).isEqualTo(1);
      assertThat(status.output()).contains("BROKEN " + words).contains("What to do: ");
    } finally {
      shell(mendIt);
    }
    assertThat(attempt("stagelet status").output()).doesNotContain("BROKEN " + words);
  }

  @Test
  @Order(6)
  void anUpgradeIsNotNoticedByPods() throws IOException {
    String before = sleepers();
    assertThat(before.lines()).hasSize(PODS);
    Files.writeString(Path.of("/etc/stagelet/stagelet.toml"), "[log]\nlevel = \"info\"\n");
    String server = shell("systemctl show -p MainPID stagelet");

    build("1.0.1", "yes");
    install("1.0.1");

    assertThat(shell("dpkg-query -W -f '${Version}' stagelet")).isEqualTo("1.0.1");
    assertThat(shell("systemctl show -p MainPID stagelet")).isNotEqualTo(server);
    assertThat(sleepers()).isEqualTo(before);
    assertThat(shell("stagelet ps").lines()).hasSize(PODS + 1);
    assertThat(shell("cat /etc/stagelet/stagelet.toml")).isEqualTo("[log]\nlevel = \"info\"");
  }

  /** The containers' processes, each with the time of its start. */
  private static String sleepers() {
    return shell("ps -eo pid,lstart,args | grep '[s]leep 100000' | sort");
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
    String pods = sleepers();

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
    assertThat(sleepers()).isEqualTo(pods);
  }

  @Test
  @Order(8)
  void removedAndPurgedNothingIsLeftButTheStore() throws IOException {
    shell("DEBIAN_FRONTEND=noninteractive dpkg --remove stagelet >&2");

    assertThat(shell("ps -eo args | grep '[s]leep 100000' || true")).isEmpty();
    assertThat(shell("systemctl list-units --all --plain --no-legend 'pod-*' 'ctr-*' 'stagelet*'"))
        .isEmpty();
    assertThat(shell("grep -c stagelet /proc/self/mountinfo || true")).isEqualTo("0");
    assertThat(Path.of("/etc/stagelet/stagelet.toml")).exists();
    assertThat(Path.of("/usr/lib/stagelet")).doesNotExist();
    assertThat(Path.of("/var/lib/stagelet/images")).exists();

    shell("DEBIAN_FRONTEND=noninteractive dpkg --purge stagelet >&2");

    assertThat(leftFiles()).containsExactly(Path.of("/var/lib/stagelet"));

    install("1.0.1");
    shell("DEBIAN_FRONTEND=noninteractive STAGELET_PURGE_STORE=yes dpkg --purge stagelet >&2");
    assertThat(leftFiles()).isEmpty();
  }

  private static List<Path> leftFiles() throws IOException {
    return Stream.of(
            "/etc/stagelet",
            "/run/stagelet",
            "/usr/bin/stagelet",
            "/usr/lib/stagelet",
            "/usr/lib/systemd/system/stagelet.service",
            "/etc/systemd/system/multi-user.target.wants/stagelet.service",
            "/etc/systemd/system/sockets.target.wants/stagelet.socket",
            "/usr/share/doc/stagelet",
            "/var/lib/stagelet")
        .map(Path::of)
        .filter(file -> Files.exists(file, java.nio.file.LinkOption.NOFOLLOW_LINKS))
        .toList();
  }
}
