package io.stagelet.cri;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Runs a command in a container and gives back what it said. */
final class ExecSync {
  /** kubelet's client takes no message above this, and Kubernetes' own runtimes keep as much. */
  private static final int OUTPUT_LIMIT = 16 << 20;

  /** Without a deadline a command may run for as long as its container may. */
  private static final Duration NO_DEADLINE = Duration.ofDays(365);

  /**
   * Runs a command to its end.
   *
   * @param timeout zero for none
   * @throws StageletException {@code DEADLINE_EXCEEDED} when it took longer; it and all it started
   *     are killed then
   */
  Command.Outcome run(Container container, List<String> arguments, Duration timeout) {
    if (arguments.isEmpty()) {
      throw new StageletException(ErrorCode.INVALID_ARGUMENT, "ExecSync without a command");
    }
    if (!(container.record().life() instanceof ContainerRecord.Running)) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "'%s' cannot be run in container %s: it is not running"
              .formatted(String.join(" ", arguments), container.id().shortened()));
    }
    try (Stage1.Exec exec =
        container
            .stage1()
            .exec(container.plan(), container.plan().process().with(arguments, false))) {
      try {
        Command.Outcome outcome =
            exec.command()
                .withDeadline(timeout.isZero() ? NO_DEADLINE : timeout)
                .withOutputLimit(OUTPUT_LIMIT)
                .run();
        Optional<String> refusal = outcome.exitCode() == 0 ? Optional.empty() : exec.refusal();
        if (refusal.isPresent()) {
          throw new StageletException(
              ErrorCode.INTERNAL,
              "'%s' cannot be run in container %s: %s"
                  .formatted(
                      String.join(" ", arguments), container.id().shortened(), refusal.get()));
        }
        return outcome;
      } catch (StageletException failure) {
        exec.kill();
        if (failure.code() != ErrorCode.DEADLINE_EXCEEDED) {
          throw failure;
        }
        throw new StageletException(
            ErrorCode.DEADLINE_EXCEEDED,
            "'%s' in container %s did not end within %s and was killed"
                .formatted(String.join(" ", arguments), container.id().shortened(), timeout),
            failure);
      }
    }
  }
}
