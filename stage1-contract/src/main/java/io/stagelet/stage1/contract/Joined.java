package io.stagelet.stage1.contract;

import static org.awaitility.Awaitility.await;

import io.stagelet.linux.ChildProcess;
import io.stagelet.linux.Command;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/** A process that joins a container, run as the server does it: without a terminal. */
final class Joined implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final Stage1.Exec exec;
  private final Path output;
  private final ChildProcess command;
  private final int input;
  private final int written;
  private final DescriptorCalls calls = new DescriptorCalls();

  Joined(Stage1.Exec exec) throws IOException {
    this.exec = exec;
    output = Files.createTempFile("joined", ".out");
    input = calls.open(Path.of("/dev/null"), DescriptorCalls.O_RDONLY, 0);
    written = calls.open(output, DescriptorCalls.O_WRONLY | DescriptorCalls.O_APPEND, 0);
    Command line = exec.command();
    command =
        ChildProcess.start(
            line.arguments(),
            line.environment(),
            new ChildProcess.Three(input, written, written),
            exec.cgroup());
  }

  /** Waits for its end. */
  int exitCode() {
    int code = ended(command);
    if (code != 0 || !exec.leavesProcess()) {
      return code;
    }
    try (ChildProcess left = exec.process()) {
      return ended(left);
    }
  }

  private static int ended(ChildProcess process) {
    await("the end of a process that joined")
        .atMost(PATIENCE)
        .until(() -> process.exitCode().isPresent());
    return process.exitCode().orElseThrow();
  }

  /** What it has written until now, to both its outputs. */
  String output() throws IOException {
    return Files.readString(output);
  }

  Optional<String> refusal() {
    return exec.refusal();
  }

  void kill() {
    exec.kill();
  }

  @Override
  public void close() throws IOException {
    command.close();
    calls.close(input);
    calls.close(written);
    exec.close();
    Files.delete(output);
  }
}
