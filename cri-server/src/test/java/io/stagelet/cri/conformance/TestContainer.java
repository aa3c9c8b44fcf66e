package io.stagelet.cri.conformance;

import static org.awaitility.Awaitility.await;

import io.stagelet.cri.streaming.CommandClient;
import io.stagelet.cri.v1.AttachRequest;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerState;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.ExecRequest;
import io.stagelet.cri.v1.ExecSyncResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A container that was created, and what can be done with it. */
final class TestContainer {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final Duration STREAM = Duration.ofSeconds(30);
  private static final Duration POLL = Duration.ofMillis(50);

  private final TestPod pod;
  private final String id;
  private final ContainerConfig config;

  TestContainer(TestPod pod, String id, ContainerConfig config) {
    this.pod = pod;
    this.id = id;
    this.config = config;
    pod.pods().node().made(id);
  }

  String id() {
    return id;
  }

  ContainerConfig config() {
    return config;
  }

  void start() {
    cri().startContainer(id);
  }

  void stop(Duration grace) {
    cri().stopContainer(id, grace);
  }

  void remove() {
    cri().removeContainer(id);
  }

  ContainerStatus status() {
    return cri().containerStatus(id);
  }

  /** Its status once it has ended. */
  ContainerStatus awaitEnd() {
    return await("the end of container " + id)
        .atMost(PATIENCE)
        .pollInterval(POLL)
        .until(this::status, status -> status.getState() == ContainerState.CONTAINER_EXITED);
  }

  ExecSyncResponse exec(String... command) {
    return exec(Duration.ZERO, command);
  }

  ExecSyncResponse exec(Duration limit, String... command) {
    return cri().execSync(id, limit, List.of(command));
  }

  /** A session with a new process in it. */
  CommandClient session(
      CommandClient.Protocol protocol, CommandClient.Wish wish, String... command) {
    return CommandClient.open(
        protocol,
        cri()
            .runtime(STREAM)
            .exec(
                ExecRequest.newBuilder()
                    .setContainerId(id)
                    .addAllCmd(List.of(command))
                    .setStdin(wish.stdin())
                    .setStdout(wish.stdout())
                    .setStderr(wish.stderr())
                    .setTty(wish.terminal())
                    .build())
            .getUrl(),
        wish);
  }

  /** A session with the container's own process. */
  CommandClient attach(CommandClient.Protocol protocol, CommandClient.Wish wish) {
    return CommandClient.open(
        protocol,
        cri()
            .runtime(STREAM)
            .attach(
                AttachRequest.newBuilder()
                    .setContainerId(id)
                    .setStdin(wish.stdin())
                    .setStdout(wish.stdout())
                    .setStderr(wish.stderr())
                    .setTty(wish.terminal())
                    .build())
            .getUrl(),
        wish);
  }

  /** What a command in it wrote to its standard output, without the last line end. */
  String execText(String... command) {
    ExecSyncResponse response = exec(command);
    if (response.getExitCode() != 0) {
      throw new AssertionError(
          "%s ended with %d: %s"
              .formatted(
                  String.join(" ", command),
                  response.getExitCode(),
                  response.getStderr().toStringUtf8()));
    }
    return response.getStdout().toStringUtf8().stripTrailing();
  }

  /** The ids, on the node, of the processes that sleep this long: as soon as there is one. */
  List<Long> awaitSleeping(String seconds) {
    return await("a process that sleeps " + seconds)
        .atMost(PATIENCE)
        .pollInterval(POLL)
        .until(() -> NodeProcesses.sleeping(seconds), pids -> !pids.isEmpty());
  }

  /** Where kubelet expects its log. */
  Path logFile() {
    return Path.of(pod.config().getLogDirectory(), config.getLogPath());
  }

  /** Its log, which may still grow. */
  ContainerLog log() {
    return ContainerLog.read(logFile());
  }

  /**
   * What it wrote to its standard output, read from its log as soon as it has {@code lines} lines.
   */
  List<String> awaitOutput(int lines) {
    return await("%d lines in %s".formatted(lines, logFile()))
        .atMost(PATIENCE)
        .pollInterval(POLL)
        .until(() -> log().lines("stdout"), output -> output.size() >= lines);
  }

  /** The first line it wrote. */
  String awaitLine() {
    return awaitOutput(1).getFirst();
  }

  private CriClient cri() {
    return pod.pods().node().cri();
  }
}
