package io.stagelet.testhost.demo;

import com.google.protobuf.Message;
import com.google.protobuf.TextFormat;
import io.grpc.StatusRuntimeException;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerMetadata;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ExecSyncRequest;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PodSandboxStatusRequest;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemoveContainerRequest;
import io.stagelet.cri.v1.RemoveImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.cri.v1.VersionRequest;
import io.stagelet.testhost.CriConnection;
import io.stagelet.testhost.Node;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;

/**
 * Takes one pod through the runtime, from a pull to its removal, and prints each CRI call with its
 * answer, and what systemd and the journal say in between.
 *
 * <p>Usage: {@code Demo INSIDE [--keep]}; the script {@code ./demo} calls it, on the machine whose
 * systemd is to run the pod. With {@code --keep} the pod is left running.
 */
public final class Demo {
  private static final String IMAGE = "127.0.0.1:5000/e2e-test-images/busybox:latest";
  private static final String NAMESPACE = "demo";
  private static final String POD = "hello";
  private static final String CONTAINER = "greeter";
  private static final String PROGRAM =
      """
      trap 'echo "asked to leave, and leaving"; exit 0' TERM
      echo "hello from $(hostname)"
      echo "this line went to stderr" >&2
      n=0
      while true; do n=$((n+1)); echo "tick $n"; sleep 1 & wait $!; done
      """;
  private static final int SHORT_ID = 12;
  private static final Duration PATIENCE = Duration.ofSeconds(15);
  private static final long GRACE_SECONDS = 10;
  private static final double NANOS_PER_MILLI = 1e6;

  private final Node node;
  private final CriConnection cri;
  private final boolean keep;

  /** The command {@code stagelet} of this build. */
  private final Path stagelet;

  private Demo(Node node, CriConnection cri, boolean keep, Path stagelet) {
    this.stagelet = stagelet;
    this.node = node;
    this.cri = cri;
    this.keep = keep;
  }

  /** Runs the demonstration; exits with 1 and the reason when a call is refused. */
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length == 0) {
      System.err.println("usage: Demo INSIDE [--keep]");
      System.exit(2);
    }
    Node node = new Node(Path.of(arguments[0]));
    heading("A registry on 127.0.0.1:5000 with an image in it, and Stagelet on its socket");
    node.pushImages("e2e-test-images/busybox");
    Path socket = node.start("stagelet");
    say("The CRI is served at unix://" + socket);
    try (CriConnection cri = new CriConnection(socket)) {
      Path stagelet =
          Path.of(arguments[0])
              .resolveSibling("../cri-server/target/stagelet/bin/stagelet")
              .normalize();
      new Demo(node, cri, List.of(arguments).contains("--keep"), stagelet).run();
    } catch (StatusRuntimeException refused) {
      System.err.printf("%nThe runtime refused the call: %s%n", refused.getStatus());
      System.exit(1);
    }
  }

  private void run() throws InterruptedException {
    call("Version", VersionRequest.getDefaultInstance(), cri.runtime()::version);

    heading("Pull the image");
    ImageSpec image = ImageSpec.newBuilder().setImage(IMAGE).build();
    call(
        "PullImage",
        PullImageRequest.newBuilder().setImage(image).build(),
        cri.images()::pullImage);

    heading("Run a pod, and a container in it");
    PodSandboxConfig pod =
        PodSandboxConfig.newBuilder()
            .setMetadata(
                PodSandboxMetadata.newBuilder()
                    .setNamespace(NAMESPACE)
                    .setName(POD)
                    .setUid("demo-" + ProcessHandle.current().pid()))
            .setHostname(POD)
            .setLogDirectory("/var/log/pods/" + NAMESPACE + "_" + POD)
            .build();
    String sandbox =
        call(
                "RunPodSandbox",
                RunPodSandboxRequest.newBuilder().setConfig(pod).build(),
                cri.runtime()::runPodSandbox)
            .getPodSandboxId();
    ContainerConfig config =
        ContainerConfig.newBuilder()
            .setMetadata(ContainerMetadata.newBuilder().setName(CONTAINER))
            .setImage(image)
            .addAllCommand(List.of("sh", "-c", PROGRAM))
            .setLogPath(CONTAINER + "/0.log")
            .build();
    String container =
        call(
                "CreateContainer",
                CreateContainerRequest.newBuilder()
                    .setPodSandboxId(sandbox)
                    .setConfig(config)
                    .setSandboxConfig(pod)
                    .build(),
                cri.runtime()::createContainer)
            .getContainerId();
    call(
        "StartContainer",
        StartContainerRequest.newBuilder().setContainerId(container).build(),
        cri.runtime()::startContainer);
    call(
        "PodSandboxStatus",
        PodSandboxStatusRequest.newBuilder().setPodSandboxId(sandbox).build(),
        cri.runtime()::podSandboxStatus);
    call(
        "ContainerStatus",
        ContainerStatusRequest.newBuilder().setContainerId(container).build(),
        cri.runtime()::containerStatus);

    String podUnit = "pod-%s-%s-%s.service".formatted(NAMESPACE, POD, shortened(sandbox));
    String containerUnit =
        "ctr-%s-%s-%s-%s.service".formatted(NAMESPACE, POD, CONTAINER, shortened(container));
    Path log = Path.of(pod.getLogDirectory(), config.getLogPath());
    awaitLine(log, "tick 2");

    heading("Both are systemd units");
    show("systemctl", "status", "--no-pager", "--lines=3", podUnit);
    show("systemctl", "status", "--no-pager", "--lines=3", containerUnit);

    heading("The output is in the journal, by the container's name, and in kubelet's log file");
    show("journalctl", "--no-pager", "--lines=10", "CONTAINER_NAME=" + CONTAINER);
    show("tail", "--lines=4", log.toString());

    heading("Run a command in the container");
    exec(
        container,
        "echo \"I run as uid $(id -u) on $(hostname); PID 1 here is $(cat /proc/1/comm)\"; ps");

    if (keep) {
      byHand(containerUnit);
    } else {
      remove(sandbox, container);
    }
  }

  private void remove(String sandbox, String container) {
    heading("Stop it all and remove it");
    call(
        "StopContainer",
        StopContainerRequest.newBuilder()
            .setContainerId(container)
            .setTimeout(GRACE_SECONDS)
            .build(),
        cri.runtime()::stopContainer);
    call(
        "ContainerStatus",
        ContainerStatusRequest.newBuilder().setContainerId(container).build(),
        cri.runtime()::containerStatus);
    call(
        "RemoveContainer",
        RemoveContainerRequest.newBuilder().setContainerId(container).build(),
        cri.runtime()::removeContainer);
    call(
        "StopPodSandbox",
        StopPodSandboxRequest.newBuilder().setPodSandboxId(sandbox).build(),
        cri.runtime()::stopPodSandbox);
    call(
        "RemovePodSandbox",
        RemovePodSandboxRequest.newBuilder().setPodSandboxId(sandbox).build(),
        cri.runtime()::removePodSandbox);
    call(
        "RemoveImage",
        RemoveImageRequest.newBuilder().setImage(ImageSpec.newBuilder().setImage(IMAGE)).build(),
        cri.images()::removeImage);
    show("systemctl", "list-units", "--all", "--no-pager", "--no-legend", "pod-*", "ctr-*");
    say("No unit of the pod's is left.");

    heading("All that happened to the pod, in one timeline: it outlives the pod");
    node.run(List.of("journalctl", "--sync"));
    show(stagelet.toString(), "story", NAMESPACE + "/" + POD);
  }

  private void byHand(String containerUnit) {
    heading("It goes on running; in there");
    say("  journalctl --follow CONTAINER_NAME=" + CONTAINER);
    say("  %s story --follow %s/%s".formatted(stagelet, NAMESPACE, POD));
    say("  systemctl status " + containerUnit);
    say("  systemctl kill --signal=TERM " + containerUnit);
    say("  journalctl --unit stagelet-testhost.service");
  }

  private void exec(String container, String script) {
    ExecSyncResponse answer =
        call(
            "ExecSync",
            ExecSyncRequest.newBuilder()
                .setContainerId(container)
                .addAllCmd(List.of("sh", "-c", script))
                .setTimeout(GRACE_SECONDS)
                .build(),
            cri.runtime()::execSync);
    say(answer.getStdout().toStringUtf8().stripTrailing().indent(4).stripTrailing());
  }

  private static <Q extends Message, A extends Message> A call(
      String name, Q request, Function<Q, A> service) {
    System.out.printf("%n→ %s %s%n", name, inOneLine(request));
    long begun = System.nanoTime();
    A answer = service.apply(request);
    System.out.printf(
        "← %s (%.0f ms)%n", inOneLine(answer), (System.nanoTime() - begun) / NANOS_PER_MILLI);
    return answer;
  }

  private void show(String... command) {
    System.out.printf("%n$ %s%n", String.join(" ", command));
    String output = node.attempt(List.of(command)).output();
    say(output.isEmpty() ? "(nothing)" : output);
  }

  private static void awaitLine(Path log, String line) throws InterruptedException {
    long end = System.nanoTime() + PATIENCE.toNanos();
    while (!contains(log, line)) {
      if (System.nanoTime() > end) {
        throw new IllegalStateException(
            "the container's log %s does not have \"%s\" after %d seconds"
                .formatted(log, line, PATIENCE.toSeconds()));
      }
      Thread.sleep(50);
    }
  }

  private static boolean contains(Path log, String line) {
    try {
      return Files.exists(log) && Files.readString(log).contains(line);
    } catch (IOException failure) {
      throw new java.io.UncheckedIOException("could not read the container's log " + log, failure);
    }
  }

  private static String shortened(String id) {
    return id.substring(0, SHORT_ID);
  }

  private static String inOneLine(Message message) {
    return "{" + TextFormat.printer().emittingSingleLine(true).printToString(message).strip() + "}";
  }

  private static void heading(String text) {
    System.out.printf("%n== %s%n", text);
  }

  private static void say(String text) {
    System.out.println(text);
  }
}
