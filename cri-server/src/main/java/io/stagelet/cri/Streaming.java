package io.stagelet.cri;

import io.stagelet.cri.streaming.ContainerEnd;
import io.stagelet.cri.streaming.ContainerInputs;
import io.stagelet.cri.streaming.ExecEnd;
import io.stagelet.cri.streaming.StreamRequest;
import io.stagelet.cri.streaming.StreamingServer;
import io.stagelet.journal.Relay;
import io.stagelet.journal.Story;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.Stage1;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;

/** Prepares exec, attach and port-forward: each becomes a URL at the streaming server. */
final class Streaming {
  private static final int LAST_PORT = 65_535;

  private final StreamingServer server;
  private final Relay relay;
  private final ContainerInputs inputs;

  Streaming(StreamingServer server, Relay relay, ContainerInputs inputs) {
    this.server = server;
    this.relay = relay;
    this.inputs = inputs;
  }

  /** Which streams a client wants. */
  record Wish(boolean stdin, boolean stdout, boolean stderr, boolean terminal) {
    /** What CRI demands of every request. */
    private void check(String call) {
      if (!stdin && !stdout && !stderr) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT, call + " without any of stdin, stdout and stderr");
      }
      if (terminal && stderr) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            call + " with tty and stderr: a terminal has one output only, stdout");
      }
    }
  }

  /** The URL of a session with a new process in a container. */
  String exec(Container container, List<String> arguments, Wish wish) {
    wish.check("Exec");
    ExecSync.check(container, arguments, "Exec");
    ExecPlan process = process(container, arguments, wish.terminal());
    Executor blocking = blocking();
    return server.url(
        new StreamRequest.CommandSession(
            "exec",
            wish.stdin(),
            wish.stdout(),
            wish.stderr(),
            wish.terminal(),
            loop ->
                new ExecEnd(
                    loop,
                    blocking,
                    () -> open(container, arguments, process),
                    new ExecEnd.Wish(
                        wish.stdin(), wish.stdout(), wish.stderr(), wish.terminal()))));
  }

  private static Stage1.Exec open(Container container, List<String> arguments, ExecPlan process) {
    ExecSync.check(container, arguments, "Exec");
    return container.stage1().exec(container.plan(), process);
  }

  private static ExecPlan process(Container container, List<String> arguments, boolean terminal) {
    ExecPlan plan = container.plan().process().with(arguments, terminal);
    if (!terminal || plan.environment().stream().anyMatch(text -> text.startsWith("TERM="))) {
      return plan;
    }
    List<String> environment = new ArrayList<>(plan.environment());
    environment.add("TERM=xterm");
    return new ExecPlan(
        plan.arguments(),
        environment,
        plan.workingDirectory(),
        plan.user(),
        true,
        plan.noNewPrivileges());
  }

  /** The URL of a session with what runs in a container already. */
  String attach(Container container, Wish wish) {
    wish.check("Attach");
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "nobody can be attached to container %s: it is not running"
              .formatted(container.id().shortened()));
    }
    boolean terminal = container.plan().process().terminal();
    if (wish.terminal() != terminal) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "Attach %s tty to container %s, which has %s terminal"
              .formatted(
                  wish.terminal() ? "with" : "without",
                  container.id().shortened(),
                  terminal ? "a" : "no"));
    }
    String id = container.id().value();
    Executor blocking = blocking();
    ContainerEnd.Wish all =
        new ContainerEnd.Wish(
            id,
            wish.stdin(),
            wish.stdout(),
            wish.stderr(),
            terminal,
            container.record().stdinOnce());
    return server.url(
        new StreamRequest.CommandSession(
            "attach",
            wish.stdin(),
            wish.stdout(),
            wish.stderr(),
            terminal,
            loop -> new ContainerEnd(loop, blocking, tap -> relay.tap(id, tap), inputs, all)));
  }

  /** For work whose messages are about what the present call is about, when that is over. */
  private Executor blocking() {
    Map<String, String> about = Story.fields();
    return work -> server.blocking().execute(() -> Story.about(about, work));
  }

  /** The URL of a session that connects to ports of a pod. */
  String portForward(Sandbox sandbox, List<Integer> ports) {
    if (sandbox.record().phase() != SandboxRecord.Phase.READY) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no port of sandbox %s can be forwarded: it is not ready (see systemctl status %s)"
              .formatted(sandbox.id().shortened(), sandbox.unit()));
    }
    for (int port : ports) {
      if (port < 1 || port > LAST_PORT) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT, "%d is not a port (1 to %d)".formatted(port, LAST_PORT));
      }
    }
    return server.url(
        new StreamRequest.PortSession(
            "%s/%s".formatted(sandbox.plan().namespace(), sandbox.plan().name()),
            sandbox.plan().networkNamespace(),
            ports));
  }
}
