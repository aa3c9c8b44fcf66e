package io.stagelet.linux;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A subprocess to run: the one way this project runs one. The argument list is taken as it is (no
 * shell), the environment is exactly the one given, the output is bounded and the time too.
 *
 * @param arguments the program (a path, or a name looked up in this process's {@code PATH}) and its
 *     arguments
 * @param environment all the environment it gets
 * @param input what it reads from its standard input
 * @param deadline how long it may run; then it and its descendants are killed
 * @param outputLimit how many bytes are kept of each of its two outputs; the rest is read and
 *     dropped
 */
public record Command(
    List<String> arguments,
    Map<String, String> environment,
    byte[] input,
    Duration deadline,
    int outputLimit) {
  private static final Map<String, String> MINIMAL_ENVIRONMENT =
      Map.of(
          "PATH",
          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "LANG",
          "C.UTF-8");

  /**
   * How long output is still read after the process itself has ended: a child of it may hold the
   * pipe open.
   */
  private static final Duration OUTPUT_GRACE = Duration.ofSeconds(1);

  /**
   * How a command ended: its exit code (128 + n for signal n), and what was kept of its outputs.
   */
  public record Outcome(int exitCode, byte[] output, byte[] errors) {
    /** The standard output as text. */
    public String text() {
      return new String(output, java.nio.charset.StandardCharsets.UTF_8);
    }

    /**
     * What it said of its failure: the error output, or else the standard output, without
     * surrounding space.
     */
    public String complaint() {
      byte[] said = errors.length > 0 ? errors : output;
      return new String(said, java.nio.charset.StandardCharsets.UTF_8).strip();
    }
  }

  public Command {
    arguments = List.copyOf(arguments);
    environment = Map.copyOf(environment);
    if (arguments.isEmpty()) {
      throw new IllegalArgumentException("a command has at least a program");
    }
  }

  /** A command with a minimal environment, no input, 30 seconds and 1 MiB of output. */
  public static Command of(String... arguments) {
    return of(List.of(arguments));
  }

  /** The same, from a list. */
  public static Command of(List<String> arguments) {
    return new Command(
        arguments, MINIMAL_ENVIRONMENT, new byte[0], Duration.ofSeconds(30), 1 << 20);
  }

  /** This command with variables added to its environment. */
  public Command withEnvironment(Map<String, String> more) {
    Map<String, String> all = new java.util.HashMap<>(environment);
    all.putAll(more);
    return new Command(arguments, all, input, deadline, outputLimit);
  }

  /** This command with another input. */
  public Command withInput(byte[] bytes) {
    return new Command(arguments, environment, bytes, deadline, outputLimit);
  }

  /** This command with another deadline. */
  public Command withDeadline(Duration other) {
    return new Command(arguments, environment, input, other, outputLimit);
  }

  /** This command with another limit on each output, in bytes. */
  public Command withOutputLimit(int bytes) {
    return new Command(arguments, environment, input, deadline, bytes);
  }

  /**
   * Runs it to its end.
   *
   * @throws StageletException {@code NOT_FOUND} when there is no such program, {@code
   *     DEADLINE_EXCEEDED} when it was killed for its time, {@code CANCELLED} when the calling
   *     thread was interrupted (the process is killed then too)
   */
  public Outcome run() {
    Process process = start();
    try {
      ByteArrayOutputStream output = new ByteArrayOutputStream();
      ByteArrayOutputStream errors = new ByteArrayOutputStream();
      Thread readsOutput = Thread.startVirtualThread(() -> keep(process.getInputStream(), output));
      Thread readsErrors = Thread.startVirtualThread(() -> keep(process.getErrorStream(), errors));
      Thread.startVirtualThread(() -> feed(process.getOutputStream()));
      boolean ended = process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        kill(process);
      }
      readsOutput.join(OUTPUT_GRACE);
      readsErrors.join(OUTPUT_GRACE);
      Outcome outcome;
      synchronized (output) {
        synchronized (errors) {
          outcome =
              new Outcome(
                  ended ? process.exitValue() : -1, output.toByteArray(), errors.toByteArray());
        }
      }
      if (!ended) {
        throw new StageletException(
            ErrorCode.DEADLINE_EXCEEDED,
            "%s did not end within %s and was killed; it had said: %s"
                .formatted(String.join(" ", arguments), deadline, outcome.complaint()));
      }
      return outcome;
    } catch (InterruptedException interrupted) {
      kill(process);
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED,
          String.join(" ", arguments) + " was killed: its caller went away",
          interrupted);
    } finally {
      closeQuietly(process);
    }
  }

  /**
   * Runs it, and takes any exit code but 0 for a failure.
   *
   * @throws StageletException as {@link #run} does, and {@code INTERNAL} with the command's own
   *     words when it failed
   */
  public Outcome runChecked() {
    Outcome outcome = run();
    if (outcome.exitCode() != 0) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "%s failed with exit code %d: %s"
              .formatted(String.join(" ", arguments), outcome.exitCode(), outcome.complaint()));
    }
    return outcome;
  }

  private Process start() {
    ProcessBuilder builder = new ProcessBuilder(arguments);
    builder.environment().clear();
    builder.environment().putAll(environment);
    try {
      return builder.start();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "could not run %s: %s; is the package that brings it installed?"
              .formatted(arguments.getFirst(), StageletException.reason(failure)),
          failure);
    }
  }

  private void keep(InputStream from, ByteArrayOutputStream to) {
    byte[] buffer = new byte[8192];
    try (from) {
      for (int count = from.read(buffer); count >= 0; count = from.read(buffer)) {
        synchronized (to) {
          to.write(buffer, 0, Math.min(count, outputLimit - to.size()));
        }
      }
    } catch (IOException closed) {
      // the process was killed, or a child of it still holds the pipe and the grace is over: what
      // came is kept
      return;
    }
  }

  private void feed(OutputStream to) {
    try (to) {
      to.write(input);
    } catch (IOException closed) {
      // the process does not read its input, or has ended: its exit code tells
    }
  }

  private static void kill(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  private static void closeQuietly(Process process) {
    for (AutoCloseable stream :
        List.<AutoCloseable>of(process.getInputStream(), process.getErrorStream())) {
      try {
        stream.close();
      } catch (Exception ignored) {
        // nothing of it is read any more
      }
    }
  }
}
