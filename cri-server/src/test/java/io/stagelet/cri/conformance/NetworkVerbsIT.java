package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.grpc.StatusRuntimeException;
import io.stagelet.cri.v1.DNSConfig;
import io.stagelet.cri.v1.RuntimeCondition;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a network's plugins are told, and when: with one that writes it down. */
class NetworkVerbsIT extends ConformanceSuite {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String NETWORK =
      """
      {"cniVersion": "1.1.0", "name": "recorded", "plugins": [
        {"type": "recorder", "capabilities": {
          "portMappings": true, "bandwidth": true, "dns": true, "ipRanges": true,
          "io.kubernetes.cri.pod-annotations": true}}]}
      """;

  private Path calls = Path.of("/");
  private Path fails = Path.of("/");

  NetworkVerbsIT(NodeUnderTest node) {
    super(node);
  }

  private StageletRuntime server() {
    return (StageletRuntime) node().runtime();
  }

  @BeforeEach
  void aPluginThatWritesDown() throws IOException {
    stageletOnly("the network plugins of other runtimes are not the suite's");
    calls = Files.createTempDirectory("stagelet-cni-calls-");
    fails = calls.resolve("fails");
    Path plugin =
        Files.writeString(
            server().plugins().resolve("recorder"),
            """
            #!/bin/sh
            cat > "%1$s/$CNI_COMMAND-$CNI_CONTAINERID"
            if [ "$CNI_COMMAND" = STATUS ] && [ -e "%2$s" ]; then
              echo '{"code": 50, "msg": "no addresses are left"}'
              exit 1
            fi
            [ "$CNI_COMMAND" != ADD ] || echo 'hairpin mode is off' >&2
            [ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.9.9.9/24"}]}'
            """
                .formatted(calls, fails));
    Files.setPosixFilePermissions(plugin, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.writeString(server().networks().resolve("00-recorded.conflist"), NETWORK);
    awaitNetwork("");
  }

  @AfterEach
  void theUsualNetwork() throws IOException {
    if (node().runtime() instanceof StageletRuntime runtime) {
      runtime.ensureItRuns();
      pods().removeAll();
      Files.deleteIfExists(runtime.networks().resolve("00-recorded.conflist"));
      try (Stream<Path> files = Files.list(calls)) {
        for (Path file : files.toList()) {
          Files.delete(file);
        }
      }
      Files.delete(calls);
      awaitNetwork("");
    }
  }

  /** Waits until the network's condition says this; nothing, when it is ready. */
  private void awaitNetwork(String message) {
    await("the condition NetworkReady to say: " + message)
        .atMost(Duration.ofSeconds(30))
        .ignoreExceptionsInstanceOf(StatusRuntimeException.class)
        .until(
            () ->
                cri().status(false).getStatus().getConditionsList().stream()
                    .filter(condition -> condition.getType().equals("NetworkReady"))
                    .findFirst()
                    .orElseThrow(),
            (RuntimeCondition condition) ->
                condition.getStatus() == message.isEmpty()
                    && condition.getMessage().contains(message));
  }

  private JsonNode told(String call) throws IOException {
    return JSON.readTree(Files.readAllBytes(calls.resolve(call)));
  }

  @Test
  void theNodesConditionSpeaksInThePluginsWords() throws IOException {
    Files.writeString(fails, "");
    awaitNetwork("no addresses are left");

    Files.delete(fails);
    awaitNetwork("");
  }

  @Test
  void aDirectoryThatIsRemovedAndMadeAgainIsSeen() throws IOException {
    Path directory = server().networks();
    Path aside = directory.resolveSibling("net.d-aside");
    Files.move(directory, aside);
    try {
      awaitNetwork(directory.toString());
    } finally {
      Files.createDirectory(directory);
      try (Stream<Path> files = Files.list(aside)) {
        for (Path file : files.toList()) {
          Files.move(file, directory.resolve(file.getFileName()));
        }
      }
      Files.delete(aside);
    }
    awaitNetwork("");
  }

  @Test
  void aPluginIsToldWhatItTakes() throws IOException {
    TestPod pod =
        pods()
            .run(config ->
                Pods.withHostPort(18080, 80)
                    .apply(
                        Pods.withDns(DNSConfig.newBuilder().addServers("10.0.0.10").build())
                            .apply(config))
                    .putAnnotations("kubernetes.io/ingress-bandwidth", "10M")
                    .putAnnotations("kubernetes.io/egress-bandwidth", "1G"));
    assertThat(pod.ip()).isEqualTo("10.9.9.9");

    JsonNode arguments = told("ADD-" + pod.id()).path("runtimeConfig");
    assertThat(arguments.at("/portMappings/0/hostPort").asInt()).isEqualTo(18080);
    assertThat(arguments.at("/bandwidth/ingressRate").asLong()).isEqualTo(10_000_000);
    assertThat(arguments.at("/bandwidth/egressRate").asLong()).isEqualTo(1_000_000_000);
    assertThat(arguments.at("/dns/servers/0").asText()).isEqualTo("10.0.0.10");
    assertThat(
            arguments
                .path("io.kubernetes.cri.pod-annotations")
                .path("kubernetes.io/egress-bandwidth")
                .asText())
        .isEqualTo("1G");

    pod.stop();
    JsonNode undone = told("DEL-" + pod.id());
    assertThat(undone.path("runtimeConfig")).isEqualTo(arguments);
    assertThat(undone.at("/prevResult/ips/0/address").asText()).isEqualTo("10.9.9.9/24");
  }

  @Test
  void whatAPluginSaysOfASuccessIsInThePodsStory() {
    TestPod pod = pods().run();

    assertThat(
            StageletCommand.run(
                "story",
                "%s/%s"
                    .formatted(
                        pod.config().getMetadata().getNamespace(),
                        pod.config().getMetadata().getName())))
        .anySatisfy(line ->
            assertThat(line)
                .contains("stagelet:", "CNI plugin recorder", "ADD", "hairpin mode is off"));
  }

  @Test
  void attachmentsAreCheckedAndGarbageIsCollectedAtAStart() throws IOException {
    TestPod pod = pods().run();
    assertThat(server().check().exitCode()).isZero();
    assertThat(told("CHECK-" + pod.id()).at("/prevResult/ips/0/address").asText())
        .isEqualTo("10.9.9.9/24");

    server().kill();
    server().startAgain();
    awaitNetwork("");

    JsonNode valid = told("GC-").path("cni.dev/valid-attachments");
    assertThat(List.of(valid.get(0).path("containerID").asText())).containsExactly(pod.id());
    assertThat(valid.get(0).path("ifname").asText()).isEqualTo("eth0");
  }
}
