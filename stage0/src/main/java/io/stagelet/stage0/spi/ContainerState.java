package io.stagelet.stage0.spi;

import java.time.Instant;

/** What systemd says of a container. */
public sealed interface ContainerState {
  /** It was never started, or its unit has been forgotten. */
  record Absent() implements ContainerState {}

  /** It is being started; no first process yet. */
  record Starting() implements ContainerState {}

  /** Its first process runs. */
  record Running(int pid, Instant startedAt) implements ContainerState {}

  /**
   * It has ended.
   *
   * @param exitCode of the first process; 128 + n when signal n ended it
   * @param signal what ended it, or 0
   * @param outOfMemory whether it ended because the kernel killed a process of it for want of
   *     memory: its first one, or one whose end the first one took for its own
   */
  record Ended(int exitCode, int signal, boolean outOfMemory, Instant startedAt, Instant finishedAt)
      implements ContainerState {}
}
