package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.grpc.Status;
import io.stagelet.cri.streaming.CommandClient;
import io.stagelet.cri.streaming.CommandClient.Protocol;
import io.stagelet.cri.streaming.SpdyClient;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ExecRequest;
import io.stagelet.cri.v1.PortForwardRequest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Exec, attach and port-forward, over both protocols. */
@AlsoOnNspawn
class StreamingIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);
  private static final CommandClient.Wish ALL = new CommandClient.Wish(true, true, true, false);
  private static final CommandClient.Wish OUTPUTS =
      new CommandClient.Wish(false, true, true, false);
  private static final CommandClient.Wish TERMINAL =
      new CommandClient.Wish(true, true, false, true);
  private static final int PORT = 7000;

  StreamingIT(NodeUnderTest node) {
    super(node);
  }

  private static CommandClient exec(
      Protocol protocol, TestContainer container, CommandClient.Wish wish, String... command) {
    return container.session(protocol, wish, command);
  }

  private static CommandClient attach(
      Protocol protocol, TestContainer container, CommandClient.Wish wish) {
    return container.attach(protocol, wish);
  }

  /** What a client with windows sends is not acknowledged by Go's servers. */
  private void windowsAreKept(Protocol protocol) {
    if (protocol == Protocol.SPDY_WITH_WINDOWS) {
      stageletOnly("Go's servers keep no windows");
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static void awaitText(CommandClient client, String text) {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> new String(client.soFar(1), StandardCharsets.UTF_8).contains(text));
  }

  @ParameterizedTest
  @EnumSource
  void anExecHasItsStreamsAndItsExitCode(Protocol protocol) {
    windowsAreKept(protocol);
    TestContainer container = sharedPod().idleContainer();
    try (CommandClient client =
        exec(protocol, container, OUTPUTS, "sh", "-c", "echo out; echo err >&2; exit 3")) {
      assertThat(client.exitCode()).isEqualTo(3);
      assertThat(client.text(1)).isEqualTo("out\n");
      assertThat(client.text(2)).isEqualTo("err\n");
    }
  }

  @Test
  void anExecPassesAMegabyteThroughAsItIs() {
    byte[] sent = new byte[1_000_003];
    new Random(3).nextBytes(sent);
    try (CommandClient client = exec(Protocol.SPDY, sharedPod().idleContainer(), ALL, "cat")) {
      client.input(sent);
      client.endInput();
      assertThat(client.exitCode()).isZero();
      assertThat(client.bytes(1)).isEqualTo(sent);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "WEBSOCKET_5"})
  void anExecOnATerminalSeesItsSize(Protocol protocol) {
    try (CommandClient client =
        exec(
            protocol,
            sharedPod().idleContainer(),
            TERMINAL,
            "sh",
            "-c",
            // a runtime may pass a size on a moment later than the input that follows it
            "read line; until stty size | grep -q '41 101'; do sleep 0.1; done; stty size; exit 7")) {
      client.resize(101, 41);
      client.input(bytes("go\n"));
      assertThat(client.exitCode()).isEqualTo(7);
      assertThat(client.text(1)).contains("41 101");
    }
  }

  @Test
  void aTerminalTellsTheLastWordsOfAShortCommand() {
    stageletOnly("crun's own relay loses them now and then");
    TestContainer container = sharedPod().idleContainer();
    for (int i = 0; i < 40; i++) {
      try (CommandClient client =
          exec(Protocol.SPDY, container, TERMINAL, "echo", "the last words")) {
        assertThat(client.exitCode()).isZero();
        assertThat(client.text(1)).isEqualTo("the last words\r\n");
      }
    }
    try (CommandClient client = exec(Protocol.SPDY, container, TERMINAL, "/no/such/command")) {
      assertThat(client.status().path("message").asText()).contains("/no/such/command");
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "WEBSOCKET_5"})
  void whatAnExecStartedIsGoneWithItsClient(Protocol protocol) {
    TestContainer container = sharedPod().idleContainer();
    String first = protocol == Protocol.SPDY ? "81001" : "81003";
    String second = protocol == Protocol.SPDY ? "81002" : "81004";
    try (CommandClient client =
        exec(
            protocol,
            container,
            OUTPUTS,
            "sh",
            "-c",
            "sleep %s & echo up; sleep %s".formatted(first, second))) {
      awaitText(client, "up");
      container.awaitSleeping(first);
    }
    await()
        .untilAsserted(() -> {
          assertThat(NodeProcesses.sleeping(first)).isEmpty();
          assertThat(NodeProcesses.sleeping(second)).isEmpty();
        });
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  @Test
  void anExecEndsWithItsContainer() {
    TestContainer container = sharedPod().idleContainer();
    try (CommandClient client =
        exec(Protocol.SPDY, container, OUTPUTS, "sh", "-c", "echo up; sleep 1000000")) {
      awaitText(client, "up");
      container.stop(Duration.ZERO);
      assertThat(client.exitCode()).isEqualTo(137);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "WEBSOCKET_5"})
  void attachedClientsHearNewOutputAndOneWritesTheInput(Protocol protocol) {
    TestContainer container =
        sharedPod()
            .container()
            .shell("while read line; do echo got $line; echo bad $line >&2; done")
            .with(config -> config.setStdin(true))
            .start();
    try (CommandClient listener = attach(protocol, container, OUTPUTS);
        CommandClient client = attach(protocol, container, ALL)) {
      await()
          .untilAsserted(() -> {
            client.input(bytes("x\n"));
            awaitText(client, "got x\n");
            awaitText(listener, "got x\n");
          });
      client.input(bytes("the end\n"));
      awaitText(listener, "got the end\n");
      await()
          .until(
              () -> new String(client.soFar(2), StandardCharsets.UTF_8).contains("bad the end\n"));
    }
    assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(container.log().lines("stdout")).contains("got the end");
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "WEBSOCKET_5"})
  void anInputForOnceEndsWithItsFirstClient(Protocol protocol) {
    TestContainer container =
        sharedPod()
            .container()
            .command("cat")
            .with(config -> config.setStdin(true).setStdinOnce(true))
            .start();
    try (CommandClient client = attach(protocol, container, ALL)) {
      client.input(bytes("only this\n"));
      client.endInput();
      assertThat(client.exitCode()).isZero();
    }
    assertThat(container.awaitEnd().getExitCode()).isZero();
    assertThat(container.log().lines("stdout")).containsExactly("only this");
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "WEBSOCKET_5"})
  void aContainerOnATerminalIsSpokenToAndItsOutputIsLogged(Protocol protocol) throws IOException {
    TestContainer container =
        sharedPod()
            .container()
            .shell(
                "test -t 1 && echo on a terminal; read line; stty size; echo heard $line; sleep 1000000")
            .with(config -> config.setStdin(true).setTty(true))
            .start();
    await().until(() -> logged(container).contains("on a terminal"));
    try (CommandClient client = attach(protocol, container, TERMINAL)) {
      client.resize(90, 30);
      client.input(bytes("me\n"));
      awaitText(client, "heard me");
      assertThat(new String(client.soFar(1), StandardCharsets.UTF_8)).contains("30 90");
    }
    assertThat(logged(container)).contains("heard me").doesNotContain(" stderr ");
  }

  /** A terminal ends its lines with carriage return and line feed, and so they are in the log. */
  private static String logged(TestContainer container) throws IOException {
    return Files.readString(container.logFile());
  }

  @ParameterizedTest
  @EnumSource(names = {"SPDY", "SPDY_WITH_WINDOWS"})
  void portsArePassedOnManyAtATime(Protocol protocol) {
    windowsAreKept(protocol);
    TestPod pod = sharedPod();
    int port = protocol == Protocol.SPDY ? PORT : PORT + 1;
    TestContainer server =
        pod.container()
            .command("busybox", "nc", "-ll", "-p", String.valueOf(port), "-e", "cat")
            .start();
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> server.exec("sh", "-c", "netstat -ltn | grep :" + port).getExitCode() == 0);
    String url =
        cri()
            .runtime(CALL)
            .portForward(
                PortForwardRequest.newBuilder().setPodSandboxId(pod.id()).addPort(port).build())
            .getUrl();
    byte[] sent = new byte[300_001];
    new Random(4).nextBytes(sent);
    try (SpdyClient client =
        new SpdyClient(
            URI.create(url), "portforward.k8s.io", protocol == Protocol.SPDY_WITH_WINDOWS)) {
      List<SpdyClient.Stream> connections = new ArrayList<>();
      List<SpdyClient.Stream> errors = new ArrayList<>();
      for (int request = 0; request < 8; request++) {
        SpdyClient.Stream error = client.open(headers("error", port, request));
        error.end();
        errors.add(error);
        SpdyClient.Stream data = client.open(headers("data", port, request));
        data.write(sent);
        data.end();
        connections.add(data);
      }
      for (SpdyClient.Stream error : errors) {
        assertThat(error.all()).succeedsWithin(Duration.ofSeconds(60)).isEqualTo(new byte[0]);
      }
      for (SpdyClient.Stream data : connections) {
        assertThat(data.all()).succeedsWithin(Duration.ofSeconds(60)).isEqualTo(sent);
      }
    }
  }

  private static Map<String, String> headers(String type, int port, int request) {
    return Map.of(
        "streamtype", type, "port", String.valueOf(port), "requestid", String.valueOf(request));
  }

  @Test
  void aPodWithTheHostsNetworkIsForwardedIntoTheHost() throws IOException {
    TestPod pod = pods().run(Pods.onTheNodesNetwork());
    byte[] sent = bytes("through the host");
    try (ServerSocket listener = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
      int port = listener.getLocalPort();
      Thread.startVirtualThread(() -> echo(listener));
      String url =
          cri()
              .runtime(CALL)
              .portForward(
                  PortForwardRequest.newBuilder().setPodSandboxId(pod.id()).addPort(port).build())
              .getUrl();
      try (SpdyClient client = new SpdyClient(URI.create(url), "portforward.k8s.io", false)) {
        SpdyClient.Stream error = client.open(headers("error", port, 0));
        error.end();
        SpdyClient.Stream data = client.open(headers("data", port, 0));
        data.write(sent);
        data.end();
        assertThat(data.all()).succeedsWithin(Duration.ofSeconds(30)).isEqualTo(sent);
        assertThat(error.all()).succeedsWithin(Duration.ofSeconds(30)).isEqualTo(new byte[0]);
      }
    }
  }

  private static void echo(ServerSocket listener) {
    try (Socket socket = listener.accept()) {
      socket.getInputStream().transferTo(socket.getOutputStream());
    } catch (IOException closed) {
      // the test says what it misses
      return;
    }
  }

  @Test
  void requestsThatMakeNoSenseAreRefused() {
    TestContainer container = sharedPod().idleContainer();
    ExecRequest.Builder request =
        ExecRequest.newBuilder().setContainerId(container.id()).addCmd("true");
    assertThat(refusal(() -> cri().runtime(CALL).exec(request.build())).getCode())
        .as("no stream at all")
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(
            refusal(() ->
                    cri()
                        .runtime(CALL)
                        .exec(request.clone().setStdout(true).setStderr(true).setTty(true).build()))
                .getCode())
        .as("a terminal has no standard error")
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(
            refusal(() ->
                    cri()
                        .runtime(CALL)
                        .exec(request.clone().setStdout(true).setContainerId("none").build()))
                .getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
  }
}
