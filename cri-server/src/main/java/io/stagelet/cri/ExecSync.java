package io.stagelet.cri;

import io.netty.buffer.ByteBuf;
import io.netty.channel.IoEventLoop;
import io.stagelet.cri.streaming.ClientEnd;
import io.stagelet.cri.streaming.Ending;
import io.stagelet.cri.streaming.ExecEnd;
import io.stagelet.cri.streaming.Output;
import io.stagelet.cri.streaming.StreamingServer;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs a command in a container and gives back what it said. A probe costs the one process that the
 * stage1's command is, and no thread.
 */
final class ExecSync {
  /** So much is kept of each output. */
  private static final int OUTPUT_LIMIT = 16 << 20;

  /**
   * kubelet's client takes no message above 16 MiB: both outputs, the exit code and some framing.
   */
  private static final int BOTH_LIMIT = OUTPUT_LIMIT - 1024;

  /** How long the answer to a deadline waits until all has been killed. */
  private static final Duration KILL_GRACE = Duration.ofSeconds(5);

  private final StreamingServer server;

  ExecSync(StreamingServer server) {
    this.server = server;
  }

  /** How a command ended, and what was kept of its outputs. */
  record Outcome(int exitCode, byte[] output, byte[] errors) {}

  /**
   * Runs a command to its end.
   *
   * @param timeout zero for none
   * @throws StageletException {@code DEADLINE_EXCEEDED} when it took longer; it and all it started
   *     are killed then
   */
  Outcome run(Container container, List<String> arguments, Duration timeout) {
    check(container, arguments, "ExecSync");
    IoEventLoop loop = server.loop();
    Kept kept = new Kept();
    ExecEnd exec =
        new ExecEnd(
            loop,
            server.blocking(),
            () ->
                container
                    .stage1()
                    .exec(container.plan(), container.plan().process().with(arguments, false)),
            new ExecEnd.Wish(false, true, true, false));
    loop.execute(() -> exec.start(kept));
    try {
      Ending ending = await(kept.ending, timeout);
      return switch (ending) {
        case Ending.Exited(int code) ->
            outcome(code, kept.bytes(Output.STDOUT), kept.bytes(Output.STDERR));
        case Ending.Failed(String message) ->
            throw new StageletException(
                ErrorCode.INTERNAL,
                "'%s' cannot be run in container %s: %s"
                    .formatted(String.join(" ", arguments), container.id().shortened(), message));
      };
    } catch (TimeoutException late) {
      end(loop, exec, kept);
      throw new StageletException(
          ErrorCode.DEADLINE_EXCEEDED,
          "'%s' in container %s did not end within %s and was killed"
              .formatted(String.join(" ", arguments), container.id().shortened(), timeout),
          late);
    } catch (InterruptedException interrupted) {
      loop.execute(exec::clientGone);
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED,
          "'%s' in container %s was killed: its caller went away"
              .formatted(String.join(" ", arguments), container.id().shortened()),
          interrupted);
    }
  }

  /** What does not fit into one message is left out of the longer output. */
  private static Outcome outcome(int code, byte[] output, byte[] errors) {
    int errorsKept = Math.min(errors.length, Math.max(BOTH_LIMIT / 2, BOTH_LIMIT - output.length));
    int outputKept = Math.min(output.length, BOTH_LIMIT - errorsKept);
    return new Outcome(code, Arrays.copyOf(output, outputKept), Arrays.copyOf(errors, errorsKept));
  }

  private static void end(IoEventLoop loop, ExecEnd exec, Kept kept) {
    loop.execute(exec::clientGone);
    try {
      var _ = await(kept.ending, KILL_GRACE);
    } catch (TimeoutException hangsInTheKernel) {
      // killed all the same: it ends when the kernel lets it
      return;
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static Ending await(CompletableFuture<Ending> ending, Duration timeout)
      throws TimeoutException, InterruptedException {
    try {
      return timeout.isZero()
          ? ending.get()
          : ending.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException failure) {
      throw new IllegalStateException("an ending does not fail", failure);
    }
  }

  /**
   * Whether a command may be run in a container.
   *
   * @throws StageletException when not, with what is in the way
   */
  static void check(Container container, List<String> arguments, String call) {
    if (arguments.isEmpty()) {
      throw new StageletException(ErrorCode.INVALID_ARGUMENT, call + " without a command");
    }
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "'%s' cannot be run in container %s: it is not running"
              .formatted(String.join(" ", arguments), container.id().shortened()));
    }
  }

  /** Keeps outputs up to their limit; written on the loop, and read after the ending. */
  private static final class Kept implements ClientEnd {
    private final Map<Output, ByteArrayOutputStream> outputs = new EnumMap<>(Output.class);
    private final CompletableFuture<Ending> ending = new CompletableFuture<>();

    byte[] bytes(Output stream) {
      ByteArrayOutputStream kept = outputs.get(stream);
      return kept == null ? new byte[0] : kept.toByteArray();
    }

    @Override
    public boolean takesOutputNow() {
      return true;
    }

    @Override
    public void output(Output stream, ByteBuf bytes) {
      ByteArrayOutputStream kept =
          outputs.computeIfAbsent(stream, _ -> new ByteArrayOutputStream());
      try {
        bytes.readBytes(kept, Math.min(bytes.readableBytes(), OUTPUT_LIMIT - kept.size()));
      } catch (IOException impossible) {
        throw new UncheckedIOException("an array is written", impossible);
      } finally {
        bytes.release();
      }
    }

    @Override
    public void inputConsumed(int bytes) {}

    @Override
    public void finish(Ending how) {
      ending.complete(how);
    }
  }
}
