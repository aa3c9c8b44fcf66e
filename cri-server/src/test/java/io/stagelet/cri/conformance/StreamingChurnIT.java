package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.cri.streaming.CommandClient;
import io.stagelet.cri.streaming.CommandClient.Protocol;
import io.stagelet.cri.streaming.SpdyClient;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ExecRequest;
import io.stagelet.cri.v1.PortForwardRequest;
import io.stagelet.linux.CleanupStack;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Very many streaming sessions leave nothing behind in the server. */
class StreamingChurnIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(60);
  private static final CommandClient.Wish INPUT_AND_OUTPUT =
      new CommandClient.Wish(true, true, false, false);
  private static final int PORT = 7100;
  private static final int AT_ONCE = 50;
  private static final int SESSIONS = 1000;

  private static final int SLACK = 5;

  /** A session that is dropped lives less long than this. */
  private static final int LONGEST_MILLIS = 150;

  StreamingChurnIT(NodeUnderTest node) {
    super(node);
  }

  /** What the server's process holds. */
  private record Held(long descriptors, long threads, long children) {
    static Held by(long pid) {
      return new Held(
          count("/proc/%d/fd".formatted(pid)),
          count("/proc/%d/task".formatted(pid)),
          ProcessHandle.of(pid).orElseThrow().children().count());
    }

    private static long count(String folder) {
      try (Stream<Path> entries = Files.list(Path.of(folder))) {
        return entries.count();
      } catch (IOException failure) {
        throw new UncheckedIOException("could not look into " + folder, failure);
      }
    }
  }

  private TestContainer echo(TestPod pod) {
    TestContainer server =
        pod.container()
            .command("busybox", "nc", "-ll", "-p", String.valueOf(PORT), "-e", "cat")
            .start();
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> server.exec("sh", "-c", "netstat -ltn | grep :" + PORT).getExitCode() == 0);
    return server;
  }

  private SpdyClient forward(TestPod pod) {
    return new SpdyClient(
        URI.create(
            cri()
                .runtime(CALL)
                .portForward(
                    PortForwardRequest.newBuilder().setPodSandboxId(pod.id()).addPort(PORT).build())
                .getUrl()),
        "portforward.k8s.io",
        false);
  }

  private static SpdyClient.Stream connect(SpdyClient client) {
    client.open(headers("error")).end();
    return client.open(headers("data"));
  }

  private static Map<String, String> headers(String type) {
    return Map.of("streamtype", type, "port", String.valueOf(PORT), "requestid", "0");
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  @Timeout(480)
  void manyAtOnceAndAThousandDroppedAtRandomLeaveNothing() throws Exception {
    stageletOnly("the suite does not look into other runtimes' processes");
    long server = ((StageletRuntime) node().runtime()).pid();
    TestPod pod = pods().run();
    TestContainer idle = pod.idleContainer();
    TestContainer talker =
        pod.container()
            .shell("while :; do echo talk; sleep 0.05; done")
            .with(config -> config.setStdin(true))
            .start();
    TestContainer echo = echo(pod);
    manyAtOnce(idle, pod, 4);
    for (int i = 0; i < 8; i++) {
      dropped(i, idle, talker, pod);
    }
    Held before = Held.by(server);

    manyAtOnce(idle, pod, AT_ONCE);
    droppedAtRandom(idle, talker, pod);

    await("what the sessions held")
        .atMost(Duration.ofSeconds(90))
        .untilAsserted(() -> {
          Held now = Held.by(server);
          assertThat(now.children()).isLessThanOrEqualTo(before.children());
          // a few of either come and go by themselves; a leak would be one for each session
          assertThat(now.descriptors()).isLessThanOrEqualTo(before.descriptors() + SLACK);
          assertThat(now.threads()).isLessThanOrEqualTo(before.threads() + SLACK);
          assertThat(processes(idle)).doesNotContain("cat");
          assertThat(processes(echo)).doesNotContain("cat");
        });
    assertThat(idle.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    assertThat(talker.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
  }

  /** The names of its processes. */
  private static List<String> processes(TestContainer container) {
    return container.execText("sh", "-c", "grep -hs . /proc/[0-9]*/comm || true").lines().toList();
  }

  /** So many execs and so many forwarded connections are open and speak at the same time. */
  private void manyAtOnce(TestContainer container, TestPod pod, int count) throws Exception {
    try (CleanupStack close = new CleanupStack();
        ExecutorService opening = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<CommandClient>> execs = new ArrayList<>();
      List<Future<SpdyClient>> forwards = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        Protocol protocol = i % 2 == 0 ? Protocol.SPDY : Protocol.WEBSOCKET_5;
        execs.add(opening.submit(() -> container.session(protocol, INPUT_AND_OUTPUT, "cat")));
        forwards.add(opening.submit(() -> forward(pod)));
      }
      List<CommandClient> commands = new ArrayList<>();
      List<SpdyClient.Stream> connections = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        CommandClient command = execs.get(i).get();
        close.push("close an exec", command::close);
        commands.add(command);
        SpdyClient client = forwards.get(i).get();
        close.push("close a port-forward", client::close);
        connections.add(connect(client));
      }
      for (int i = 0; i < count; i++) {
        commands.get(i).input(bytes("exec " + i));
        connections.get(i).write(bytes("connection " + i));
      }
      for (int i = 0; i < count; i++) {
        CommandClient command = commands.get(i);
        SpdyClient.Stream connection = connections.get(i);
        byte[] ofExec = bytes("exec " + i);
        byte[] ofConnection = bytes("connection " + i);
        // so many at once are more than a listener of one thread keeps waiting: TCP tries again,
        // each time after twice as long
        await()
            .atMost(Duration.ofSeconds(150))
            .untilAsserted(() -> {
              assertThat(command.soFar(1)).isEqualTo(ofExec);
              assertThat(connection.soFar()).isEqualTo(ofConnection);
            });
      }
      for (CommandClient command : commands) {
        command.endInput();
        assertThat(command.exitCode()).isZero();
      }
    }
  }

  private void droppedAtRandom(TestContainer idle, TestContainer talker, TestPod pod)
      throws Exception {
    Semaphore places = new Semaphore(AT_ONCE);
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < SESSIONS; i++) {
        int index = i;
        places.acquire();
        all.add(
            clients.submit(() -> {
              try {
                dropped(index, idle, talker, pod);
              } finally {
                places.release();
              }
              return true;
            }));
      }
      for (Future<?> one : all) {
        one.get();
      }
    }
  }

  private void dropped(int index, TestContainer idle, TestContainer talker, TestPod pod)
      throws Exception {
    Random random = new Random(index);
    Protocol protocol = random.nextBoolean() ? Protocol.SPDY : Protocol.WEBSOCKET_5;
    int life = random.nextInt(LONGEST_MILLIS);
    switch (index % 4) {
      case 0 -> {
        try (CommandClient client = idle.session(protocol, INPUT_AND_OUTPUT, "cat")) {
          client.input(bytes("dropped"));
          Thread.sleep(life);
        }
      }
      case 1 -> {
        try (CommandClient _ = talker.attach(protocol, INPUT_AND_OUTPUT)) {
          Thread.sleep(life);
        }
      }
      case 2 -> {
        try (SpdyClient client = forward(pod)) {
          connect(client).write(new byte[random.nextInt(100_000)]);
          Thread.sleep(life);
        }
      }
      default -> {
        URI url =
            URI.create(
                cri()
                    .runtime(CALL)
                    .exec(
                        ExecRequest.newBuilder()
                            .setContainerId(idle.id())
                            .addCmd("true")
                            .setStdout(true)
                            .build())
                    .getUrl());
        if (random.nextBoolean()) {
          // a client that says nothing
          try (Socket _ = new Socket(url.getHost(), url.getPort())) {
            Thread.sleep(life);
          }
        }
      }
    }
  }
}
