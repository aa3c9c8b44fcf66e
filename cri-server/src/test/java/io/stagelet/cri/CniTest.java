package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Faults;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** With plugins that are scripts: they write down what they are told. */
class CniTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final SandboxRecord.PodKey POD =
      new SandboxRecord.PodKey("default", "web", "uid", 0);
  private static final Cni.Target TARGET = new Cni.Target("abc", Path.of("/nonexistent"), POD);

  @TempDir private Path folder;
  private Path networks;
  private Path others;
  private Path calls;
  private Cni cni;

  @BeforeEach
  void aNetworkAndTwoPlugins() throws IOException {
    networks = Files.createDirectory(folder.resolve("net.d"));
    others = Files.createDirectory(folder.resolve("other.d"));
    calls = Files.createDirectory(folder.resolve("calls"));
    Path plugins = Files.createDirectory(folder.resolve("bin"));
    plugin(plugins, "first", "{\"ips\": [{\"address\": \"10.0.0.2/24\"}]}");
    plugin(plugins, "second", "{\"ips\": [{\"address\": \"10.0.0.2/24\"}], \"second\": true}");
    cni = cni(plugins, Clock.fixed(Instant.EPOCH, ZoneOffset.UTC));
  }

  private Cni cni(Path plugins, Clock clock) {
    return new Cni(networks, Map.of("special", others), List.of(plugins), clock, Faults.none());
  }

  /** Notes each call in a file of its own, numbered; fails in the verb that the file FAIL names. */
  private void plugin(Path plugins, String name, String result) throws IOException {
    Path script = plugins.resolve(name);
    Files.writeString(
        script,
        """
        #!/bin/sh
        n=$(ls %1$s | wc -l)
        cat > %1$s/$(printf %%03d "$n")-%2$s-$CNI_COMMAND
        if [ "$(cat %3$s 2> /dev/null)" = "%2$s $CNI_COMMAND" ]; then
          echo '{"code": 50, "msg": "the cable is out", "details": "plug it in"}'
          exit 1
        fi
        [ "$CNI_COMMAND" != ADD ] || echo '%4$s'
        """
            .formatted(calls, name, folder.resolve("FAIL"), result));
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private void network(Path directory, String version, String more) throws IOException {
    Files.writeString(
        directory.resolve("10.conflist"),
        """
        {"cniVersion": "%s", "name": "net", %s "plugins": [
          {"type": "first", "capabilities": {"bandwidth": true, "io.kubernetes.cri.pod-annotations": true}},
          {"type": "second", "capabilities": {"portMappings": true, "ipRanges": true, "dns": true}}]}
        """
            .formatted(version, more));
  }

  private void fails(String plugin, CniPlugin.Verb verb) throws IOException {
    Files.writeString(folder.resolve("FAIL"), plugin + " " + verb + "\n");
  }

  /** What was called, in order: the plugin and the verb. */
  private List<String> called() throws IOException {
    try (var files = Files.list(calls)) {
      return files.map(file -> file.getFileName().toString().substring(4)).sorted().toList();
    }
  }

  private List<String> calledInOrder() throws IOException {
    try (var files = Files.list(calls)) {
      return files
          .map(file -> file.getFileName().toString())
          .sorted()
          .map(name -> name.substring(4))
          .toList();
    }
  }

  private JsonNode told(String call) throws IOException {
    try (var files = Files.list(calls)) {
      return JSON.readTree(
          files.filter(file -> file.toString().endsWith(call)).findFirst().orElseThrow().toFile());
    }
  }

  private static SandboxRequest request(
      Map<String, String> annotations, List<CniAttachment.PortMapping> ports) {
    return new SandboxRequest(
        POD,
        "web",
        "",
        Optional.of(
            new SandboxRequest.Dns(List.of("10.0.0.10"), List.of("cluster.local"), List.of())),
        ports,
        Map.of(),
        annotations,
        "pod.slice",
        Map.of(),
        SandboxRequest.NamespaceMode.POD,
        SandboxRequest.NamespaceMode.CONTAINER,
        SandboxRequest.NamespaceMode.POD,
        Optional.empty(),
        "",
        PodResources.NONE,
        SelinuxOptions.NONE,
        false);
  }

  private CniAttachment attached() {
    CniAttachment planned =
        cni.planned(
            cni.network("any"),
            List.of(),
            CniCapabilities.arguments(
                request(
                    Map.of(CniCapabilities.INGRESS, "10M"),
                    List.of(new CniAttachment.PortMapping(80, 8080, "tcp", ""))),
                List.of("10.1.0.0/24", "fd00::/64")));
    return cni.attach(TARGET, planned);
  }

  @Test
  void eachPluginIsToldTheResultOfTheOneBeforeAndTheCapabilitiesItTakes() throws IOException {
    network(networks, "1.0.0", "");

    CniAttachment attachment = attached();

    assertThat(attachment.addresses()).containsExactly("10.0.0.2");
    assertThat(calledInOrder()).containsExactly("first-ADD", "second-ADD");
    JsonNode first = told("first-ADD");
    assertThat(first.path("name").asText()).isEqualTo("net");
    assertThat(first.path("cniVersion").asText()).isEqualTo("1.0.0");
    assertThat(first.has("prevResult")).isFalse();
    assertThat(first.path("runtimeConfig"))
        .isEqualTo(
            JSON.readTree(
                """
                {"bandwidth": {"ingressRate": 10000000, "ingressBurst": 2147483647},
                 "io.kubernetes.cri.pod-annotations": {"kubernetes.io/ingress-bandwidth": "10M"}}\
                """));
    JsonNode second = told("second-ADD");
    assertThat(second.at("/prevResult/ips/0/address").asText()).isEqualTo("10.0.0.2/24");
    assertThat(second.path("runtimeConfig"))
        .isEqualTo(
            JSON.readTree(
                """
                {"portMappings": [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": ""}],
                 "ipRanges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}]],
                 "dns": {"servers": ["10.0.0.10"], "searches": ["cluster.local"], "options": []}}\
                """));
  }

  @Test
  void detachingTellsTheSameInReverseThoughTheConfigurationIsGone() throws IOException {
    network(networks, "1.0.0", "");
    CniAttachment attachment = attached();
    Files.delete(networks.resolve("10.conflist"));

    cni.detach(TARGET, attachment);

    assertThat(calledInOrder())
        .containsExactly("first-ADD", "second-ADD", "second-DEL", "first-DEL");
    assertThat(told("second-DEL").path("runtimeConfig"))
        .isEqualTo(told("second-ADD").path("runtimeConfig"));
    assertThat(told("first-DEL").at("/prevResult/second").asBoolean()).isTrue();
  }

  @Test
  void anAttachmentOfAnEarlierVersionKeepsItsPorts() throws IOException {
    network(networks, "1.0.0", "");
    CniConfiguration network = cni.network("any");

    cni.detach(
        TARGET,
        new CniAttachment(
            network.name(),
            network.source(),
            "",
            List.of(),
            List.of(new CniAttachment.PortMapping(80, 8080, "tcp", "")),
            ""));

    assertThat(told("second-DEL").at("/runtimeConfig/portMappings/0/hostPort").asInt())
        .isEqualTo(80);
  }

  @Test
  void whatFailsHalfWayIsUndoneAndTold() throws IOException {
    network(networks, "1.0.0", "");
    fails("second", CniPlugin.Verb.ADD);

    assertThatThrownBy(this::attached)
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("CNI plugin second failed in ADD for pod default/web")
        .hasMessageContaining("the cable is out: plug it in");

    assertThat(calledInOrder())
        .containsExactly("first-ADD", "second-ADD", "second-DEL", "first-DEL");
  }

  @ParameterizedTest
  @CsvSource({
    "0.3.1, '', false",
    "0.4.0, '', true",
    "1.1.0, '', true",
    "1.0.0, '\"disableCheck\": true,', false"
  })
  void attachmentsAreCheckedFromVersion040On(String version, String more, boolean checked)
      throws IOException {
    network(networks, version, more);
    CniAttachment attachment = attached();

    cni.check(TARGET, attachment);

    assertThat(called().contains("first-CHECK")).isEqualTo(checked);
    assertThat(called().contains("second-CHECK")).isEqualTo(checked);
  }

  @Test
  void aFailedCheckTellsThePluginsWords() throws IOException {
    network(networks, "1.0.0", "");
    CniAttachment attachment = attached();
    fails("first", CniPlugin.Verb.CHECK);

    assertThatThrownBy(() -> cni.check(TARGET, attachment))
        .hasMessageContaining("the cable is out");
    assertThat(told("first-CHECK").at("/prevResult/second").asBoolean()).isTrue();
  }

  @Test
  void theStatusIsThePluginsOwnFromVersion110On() throws IOException {
    network(networks, "1.0.0", "");
    fails("second", CniPlugin.Verb.STATUS);
    assertThat(cni.unreadiness()).isEmpty();
    assertThat(called()).isEmpty();

    network(networks, "1.1.0", "");
    cni.changed();
    assertThat(cni.unreadiness())
        .hasValueSatisfying(words ->
            assertThat(words)
                .contains("CNI plugin second failed in STATUS", "the cable is out: plug it in"));

    Files.delete(folder.resolve("FAIL"));
    cni.changed();
    assertThat(cni.unreadiness()).isEmpty();
  }

  @Test
  void theStatusIsNotAskedForAnewAtEachCall() throws IOException {
    network(networks, "1.1.0", "");

    for (int i = 0; i < 10; i++) {
      assertThat(cni.unreadiness()).isEmpty();
    }

    assertThat(called()).containsExactly("first-STATUS", "second-STATUS");
  }

  @Test
  void withSeveralVersionsTheHighestKnownOneHolds() throws IOException {
    network(networks, "0.3.1", "\"cniVersions\": [\"0.4.0\", \"1.1.0\", \"9.0.0\"],");

    assertThat(cni.network("any").cniVersion()).isEqualTo("1.1.0");
  }

  @Test
  void garbageIsCollectedFromVersion110OnWithWhatIsStillAttached() throws IOException {
    network(networks, "1.0.0", "");
    cni.collectGarbage(List.of("abc"));
    assertThat(called()).isEmpty();

    network(networks, "1.1.0", "\"disableGC\": true,");
    cni.collectGarbage(List.of("abc"));
    assertThat(called()).isEmpty();

    network(networks, "1.1.0", "");
    cni.collectGarbage(List.of("abc", "def"));
    assertThat(calledInOrder()).containsExactly("first-GC", "second-GC");
    assertThat(told("first-GC").path("cni.dev/valid-attachments"))
        .isEqualTo(
            JSON.readTree(
                """
                [{"containerID": "abc", "ifname": "eth0"}, {"containerID": "def", "ifname": "eth0"}]\
                """));
  }

  @Test
  void aHandlerMayHaveANetworkOfItsOwn() throws IOException {
    network(networks, "1.0.0", "");

    assertThat(cni.network("any").name()).isEqualTo("net");
    assertThatThrownBy(() -> cni.network("special")).hasMessageContaining("other.d");
    assertThat(cni.unreadiness()).isEmpty();
    assertThat(cni.unreadinessOfHandlers()).containsOnlyKeys("special");
    network(others, "1.0.0", "");
    assertThat(cni.network("special").name()).isEqualTo("net");
  }

  @ParameterizedTest
  @CsvSource({"1k, 1000", "10M, 10000000", "1.5Ki, 1536", "1e6, 1000000", "2000, 2000"})
  void aRateIsAQuantityOfKubernetes(String text, long bits) {
    ObjectNode arguments =
        CniCapabilities.arguments(
            request(Map.of(CniCapabilities.EGRESS, text), List.of()), List.of());

    assertThat(arguments.at("/bandwidth/egressRate").asLong()).isEqualTo(bits);
    assertThat(arguments.at("/bandwidth").has("ingressRate")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "fast", "999", "2P", "-1M", "10 M"})
  void aRateThatIsNoneIsRefused(String text) {
    assertThatThrownBy(() ->
            CniCapabilities.arguments(
                request(Map.of(CniCapabilities.EGRESS, text), List.of()), List.of()))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(CniCapabilities.EGRESS);
  }

  @Test
  void podRangesOutliveTheServer() {
    Path file = folder.resolve("pod-ranges.json");
    PodRanges ranges = new PodRanges(file);
    assertThat(ranges.ranges()).isEmpty();

    ranges.become("10.1.0.0/24, fd00::/64");
    ranges.become("");

    assertThat(new PodRanges(file).ranges()).containsExactly("10.1.0.0/24", "fd00::/64");
  }
}
