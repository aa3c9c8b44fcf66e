package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.cri.v1.DNSConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** A sandbox has an address, a name and a resolver; its containers share them. */
class SandboxNetworkIT extends ConformanceSuite {
  private static final int PORT = 8080;

  SandboxNetworkIT(NodeUnderTest node) {
    super(node);
  }

  /** Serves "hello from" and the pod's name over HTTP, and ends at once when told to. */
  private static TestContainer webServer(TestPod pod) {
    return pod.container()
        .shell(
            "mkdir /www; echo hello from $(hostname) > /www/index.html;"
                + " trap 'exit 0' TERM; httpd -f -p %d -h /www & wait".formatted(PORT))
        .start();
  }

  private static String awaitPage(String host, int port) {
    try (HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build()) {
      HttpRequest request =
          HttpRequest.newBuilder(URI.create("http://%s:%d/".formatted(host, port)))
              .timeout(Duration.ofSeconds(2))
              .build();
      return await("a page from " + request.uri())
          .atMost(Duration.ofSeconds(20))
          .ignoreExceptions()
          .until(() -> http.send(request, BodyHandlers.ofString()).body().strip(), body -> true);
    }
  }

  private static String networkOf(String process) throws IOException {
    return Files.readSymbolicLink(Path.of("/proc", process, "ns", "net")).toString();
  }

  @Test
  void aPodIsReachedFromTheNodeByItsAddress() throws IOException {
    TestPod pod = pods().run();
    webServer(pod);

    assertThat(InetAddress.getByName(pod.ip()).isReachable(5000)).isTrue();
    assertThat(awaitPage(pod.ip(), PORT)).isEqualTo("hello from " + pod.config().getHostname());
  }

  @Test
  void aPodIsReachedFromAnotherPodByItsAddress() {
    TestPod server = pods().run();
    webServer(server);
    awaitPage(server.ip(), PORT);
    TestPod client = pods().run();

    String page =
        client
            .idleContainer()
            .execText("wget", "-q", "-T", "10", "-O", "-", "http://" + server.ip() + ":" + PORT);

    assertThat(client.ip()).isNotEqualTo(server.ip());
    assertThat(page).isEqualTo("hello from " + server.config().getHostname());
  }

  @Test
  void aPodSeesItsOwnAddress() {
    TestPod pod = pods().run();

    assertThat(pod.idleContainer().execText("ip", "-o", "-4", "addr"))
        .contains(" " + pod.ip() + "/");
  }

  @Test
  void theContainersOfAPodShareItsNetworkAndItsName() {
    TestPod pod = pods().run();
    webServer(pod);
    awaitPage(pod.ip(), PORT);
    TestContainer other = pod.idleContainer();

    assertThat(other.execText("wget", "-q", "-O", "-", "http://127.0.0.1:" + PORT))
        .isEqualTo("hello from " + pod.config().getHostname());
    assertThat(other.execText("hostname")).isEqualTo(pod.config().getHostname());
  }

  @Test
  void theContainersOfAPodShareItsMemoryAndNotTheirProcesses() {
    TestPod pod = pods().run();
    TestContainer one = pod.idleContainer();
    TestContainer other = pod.idleContainer();

    assertThat(one.execText("readlink", "/proc/self/ns/ipc"))
        .isEqualTo(other.execText("readlink", "/proc/self/ns/ipc"));
    assertThat(one.execText("readlink", "/proc/self/ns/pid"))
        .isNotEqualTo(other.execText("readlink", "/proc/self/ns/pid"));
    one.execText("sh", "-c", "echo shared > /dev/shm/note");
    assertThat(other.execText("cat", "/dev/shm/note")).isEqualTo("shared");
  }

  @Test
  void aPodsNetworkIsNotTheNodes() throws IOException {
    assertThat(pods().run().idleContainer().execText("readlink", "/proc/self/ns/net"))
        .isNotEqualTo(networkOf("self"));
  }

  @Test
  void aPodOnTheNodesNetworkHasNoAddressOfItsOwn() throws IOException {
    TestPod pod = pods().run(Pods.onTheNodesNetwork());
    TestContainer container = pod.idleContainer();

    assertThat(pod.ip()).isEmpty();
    assertThat(container.execText("readlink", "/proc/self/ns/net")).isEqualTo(networkOf("self"));
    assertThat(container.execText("hostname"))
        .isEqualTo(Files.readString(Path.of("/proc/sys/kernel/hostname")).strip());
  }

  @Test
  void theResolverIsConfiguredAsAsked() {
    TestPod pod =
        pods()
            .run(
                Pods.withDns(
                    DNSConfig.newBuilder()
                        .addServers("10.11.12.13")
                        .addServers("10.11.12.14")
                        .addSearches("default.svc.example")
                        .addSearches("svc.example")
                        .addOptions("ndots:5")
                        .build()));

    assertThat(pod.idleContainer().execText("cat", "/etc/resolv.conf").lines().sorted())
        .containsExactly(
            "nameserver 10.11.12.13",
            "nameserver 10.11.12.14",
            "options ndots:5",
            "search default.svc.example svc.example");
  }

  @Test
  void withoutAskingTheResolverIsTheNodes() throws IOException {
    String nodes = Files.readString(Path.of("/etc/resolv.conf")).stripTrailing();

    assertThat(pods().run().idleContainer().execText("cat", "/etc/resolv.conf")).isEqualTo(nodes);
  }

  @Test
  void theNodesHostNameIsLeftAlone() throws IOException {
    Path hostname = Path.of("/proc/sys/kernel/hostname");
    String before = Files.readString(hostname);

    pods().run().idleContainer();

    assertThat(Files.readString(hostname)).isEqualTo(before);
  }

  @Test
  void kernelSettingsOfThePodAreSetInItAndNotOnTheNode() throws IOException {
    String setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    String nodes = Files.readString(Path.of(setting)).strip();
    TestPod pod =
        pods()
            .run(config -> {
              config.getLinuxBuilder().putSysctls("net.ipv4.ip_unprivileged_port_start", "81");
              return config;
            });

    assertThat(pod.idleContainer().execText("cat", setting)).isEqualTo("81");
    assertThat(Files.readString(Path.of(setting)).strip()).isEqualTo(nodes);
  }

  @Test
  void aPortOfTheNodeLeadsToThePod() {
    assumeTrue(TestNetwork.hasTranslation(), "this machine has no NAT: no host ports");
    int port = TestRegistry.freePort();
    TestPod pod = pods().run(Pods.withHostPort(port, PORT));
    webServer(pod);

    assertThat(awaitPage(TestNetwork.GATEWAY, port))
        .isEqualTo("hello from " + pod.config().getHostname());
  }

  @Test
  void aPortOfTheNodeThatIsZeroIsNone() {
    TestPod pod = pods().run(Pods.withHostPort(0, PORT));
    webServer(pod);

    assertThat(awaitPage(pod.ip(), PORT)).isNotEmpty();
  }

  @Test
  void theAddressOfARemovedPodIsGivenBack() {
    Leftovers before = node().runtime().leftovers();
    TestPod pod = pods().run();
    assertThat(node().runtime().leftovers().since(before))
        .anyMatch(line -> line.endsWith("/" + pod.ip()));

    pod.stop();
    pod.remove();

    assertThat(node().runtime().leftovers().since(before))
        .noneMatch(line -> line.endsWith("/" + pod.ip()));
  }
}
