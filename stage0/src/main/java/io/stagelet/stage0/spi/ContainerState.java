package io.stagelet.stage0.spi;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.function.Supplier;

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
      implements ContainerState {
    /** The exit code of a process that was killed, and of a shell whose last command was. */
    private static final int KILLED = 128 + 9;

    /**
     * Between the kill of a first process and the word of it, on a machine that is short of all.
     */
    private static final Duration SAME_MOMENT = Duration.ofSeconds(2);

    /**
     * Whether it ended for want of memory, where its unit goes on after such a kill. A first
     * process that was killed itself was so at that moment; one that ended by itself with the code
     * of a killed process speaks of one before.
     *
     * @param lastKill when the last such kill in the container was, if any; asked only where it
     *     matters
     */
    public boolean forWantOfMemory(Supplier<Optional<Instant>> lastKill) {
      return outOfMemory
          || (exitCode == KILLED
              && lastKill
                  .get()
                  .filter(kill ->
                      signal == 0
                          || Duration.between(kill, finishedAt).abs().compareTo(SAME_MOMENT) < 0)
                  .isPresent());
    }
  }
}
