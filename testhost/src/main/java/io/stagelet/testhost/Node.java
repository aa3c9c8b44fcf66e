package io.stagelet.testhost;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The machine this runs on: its parts, which the script {@code testhost/inside} starts. */
public final class Node {
  private final Path inside;

  /**
   * A machine with the project's checkout.
   *
   * @param inside the script {@code testhost/inside}
   */
  public Node(Path inside) {
    this.inside = inside;
  }

  /**
   * Starts a runtime ({@code stagelet}, {@code containerd}) unless it runs; answers its socket. A
   * handler may follow: {@code stagelet:nspawn}.
   */
  public Path start(String runtime) {
    List<String> command = new ArrayList<>(List.of(inside.toString()));
    command.addAll(List.of(runtime.split(":")));
    return Path.of(run(command).lines().toList().getLast());
  }

  /** Stops a runtime. */
  public void stop(String runtime) {
    run(List.of(inside.toString(), "stop", runtime.split(":")[0]));
  }

  /** Makes test images and pushes them to the machine's registry. */
  public void pushImages(String... repositories) {
    List<String> command = new ArrayList<>(List.of(inside.toString(), "images"));
    command.addAll(List.of(repositories));
    run(command);
  }

  /**
   * Runs a command whose errors are shown as they come; answers its output.
   *
   * @throws IllegalStateException when its exit code is not zero
   */
  public String run(List<String> command) {
    Outcome outcome = attempt(command);
    if (outcome.exitCode() != 0) {
      throw new IllegalStateException(
          "%s ended with exit code %d, and said: %s"
              .formatted(String.join(" ", command), outcome.exitCode(), outcome.output()));
    }
    return outcome.output();
  }

  /** Runs a command whose exit code tells something, as that of {@code systemctl status} does. */
  public Outcome attempt(List<String> command) {
    try {
      Process process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
      process.getOutputStream().close();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return new Outcome(process.waitFor(), output.stripTrailing());
    } catch (IOException failure) {
      throw new UncheckedIOException("could not run " + String.join(" ", command), failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted during " + command, interrupted);
    }
  }

  /** How a command ended, and what it wrote. */
  public record Outcome(int exitCode, String output) {}
}
