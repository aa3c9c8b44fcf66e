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
   * @param outOfMemory whether systemd gives want of memory as the reason of its end; where it does
   *     not, {@link Stage1#endedForWantOfMemory} knows more
   */
  record Ended(int exitCode, int signal, boolean outOfMemory, Instant startedAt, Instant finishedAt)
      implements ContainerState {}
}
