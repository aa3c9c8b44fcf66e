package io.stagelet.stage0.spi;

import io.stagelet.linux.ChildProcess;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.PseudoTerminal;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntConsumer;

/**
 * A way to isolate pods. The server prepares everything that is the same for all of them (images,
 * networks, logs, what is stored) and asks a stage1 for the rest; it never asks which stage1 it
 * talks to.
 *
 * <p>Calls for one sandbox and its containers come one at a time; calls for different sandboxes
 * come at once. Every call may block, may be repeated after a crash at any point, and then does
 * what is left to do.
 *
 * <pre>
 *   startSandbox ── prepareContainer ── startContainer ── signal, exec … ── (the container ends) ── removeContainer ── stopSandbox
 * </pre>
 */
public interface Stage1 extends AutoCloseable {
  /** What this stage1 can do beyond the least; announced to kubelet. */
  Set<Feature> features();

  /** Why no pod can be started with it now, in words; looked at anew each time. */
  default Optional<String> unusable() {
    return Optional.empty();
  }

  /** The host's systemd unit in which the sandbox lives; the name stays the same all its life. */
  String unitOf(SandboxPlan sandbox);

  /** The unit in which the container lives. */
  String unitOf(ContainerPlan container);

  /**
   * The directory of the container's control group, below {@code /sys/fs/cgroup}: what all its
   * processes use, and nothing else, is accounted there while it runs. Known from the plan alone,
   * without a question to anybody, and the same all its life: the server reads the group's files
   * for every container each time kubelet asks for statistics. There need not be such a directory
   * while the container does not run.
   */
  Path cgroup(ContainerPlan container);

  /**
   * Makes the sandbox: its namespaces, its unit. Afterwards {@link SandboxPlan#networkNamespace()},
   * when present, is a mounted network namespace with its loopback up and nothing else in it.
   *
   * @throws StageletException when it cannot be made; nothing of it is left then
   */
  void startSandbox(SandboxPlan sandbox);

  /**
   * Ends all that runs in the sandbox, without grace, and takes it down; fine when it is down
   * already.
   */
  void stopSandbox(SandboxPlan sandbox);

  /** Whether the sandbox is up. */
  boolean isUp(SandboxPlan sandbox);

  /**
   * Checks that the container can be run as planned, and writes what its start needs into {@link
   * ContainerPlan#directory()}. The root filesystem is mounted already. Nothing runs afterwards.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with the field's name when this stage1
   *     cannot do what is asked
   */
  void prepareContainer(ContainerPlan container);

  /**
   * Starts the container. The other ends of its FIFOs are open already; a container with a terminal
   * uses none of them.
   *
   * @param terminal gets the master of the container's terminal, when it has one, before its first
   *     process runs on; called at most once, on any thread, and then owns the descriptor
   * @throws StartFailure when the container's first process could not be run, with the words of
   *     whoever refused; the unit is gone then
   */
  void startContainer(ContainerPlan container, IntConsumer terminal);

  /**
   * Changes what the container may use, at once when it runs; {@link ContainerPlan#resources()} are
   * the new ones.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when one cannot be changed, or not to this
   */
  void update(ContainerPlan container);

  /**
   * Sets what all containers of a sandbox together may use, where its slice is its own ({@link
   * SandboxPlan#hasOwnSlice}); another slice is left to whom it belongs.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when one cannot be set
   */
  default void update(SandboxPlan sandbox, ContainerPlan.Resources resources) {}

  /**
   * Writes the state of a running container's processes into a directory, from which they can be
   * restored. The container stands still meanwhile, and runs on afterwards, whatever happens.
   *
   * @param directory an empty one, with an empty folder {@code checkpoint} for the state in it;
   *     what else there is to say goes beside that
   * @param limit how long it may take
   * @param whileItStands is run when the state is written, before the container runs on
   * @throws StageletException {@code UNIMPLEMENTED} when this stage1 cannot, or something that it
   *     needs for it is not installed
   */
  default void checkpoint(
      ContainerPlan container, Path directory, Duration limit, Runnable whileItStands) {
    throw new StageletException(
        ErrorCode.UNIMPLEMENTED,
        "container %s cannot be checkpointed: its stage1 cannot do that"
            .formatted(container.name()));
  }

  /**
   * Checks that it can start containers whose processes go on ({@link ContainerPlan#checkpoint}).
   *
   * @throws StageletException {@code UNIMPLEMENTED} when it cannot, or something that it needs for
   *     it is not installed
   */
  default void checkRestores(String container) {
    throw new StageletException(
        ErrorCode.UNIMPLEMENTED,
        "container %s cannot be restored: its stage1 cannot do that".formatted(container));
  }

  /** Sends a signal to the container's first process; fine when it has ended. */
  void signal(ContainerPlan container, int signal);

  /** Sends SIGKILL to every process of the container; fine when it has ended. */
  void kill(ContainerPlan container);

  /** What is known of the container, from systemd. */
  ContainerState state(ContainerPlan container);

  /**
   * Whether a container ended because the kernel killed a process of it for want of memory: its
   * first one, or one whose end the first one took for its own. May take a moment; to be asked once
   * at most, and not of one that the server has killed itself.
   *
   * @param ended as {@link #state} told
   * @throws StageletException when it cannot be found out
   */
  default boolean endedForWantOfMemory(ContainerPlan container, ContainerState.Ended ended) {
    return ended.outOfMemory();
  }

  /**
   * The command that runs a process in the container and passes its streams and exit code on, or
   * leaves it ({@link Exec#leavesProcess}). One with a terminal is given one for all its streams,
   * and passes this one's size on as well, also when it changes ({@code SIGWINCH}).
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the process cannot be planned
   */
  Exec exec(ContainerPlan container, ExecPlan process);

  /**
   * Kills what was being run by {@link #exec} when this program ended before; fine when there is
   * nothing. To be called before the first {@link #exec} of this container.
   */
  void endLostExecs(ContainerPlan container);

  /**
   * Ends the container if it runs, and forgets its unit and all that this stage1 made for it; fine
   * when it is gone.
   */
  void removeContainer(ContainerPlan container);

  /**
   * The units that {@link #sweep} would take down, the containers' first.
   *
   * @param knownUnits as there
   */
  default List<String> unknown(Set<String> knownUnits) {
    return List.of();
  }

  /**
   * Takes down every sandbox and container that a crash left and that nobody knows.
   *
   * @param knownUnits the units of all sandboxes and containers that are known, of every handler
   */
  void sweep(Set<String> knownUnits);

  /** Tells {@code listener} of ends until the returned handle is closed. */
  AutoCloseable listen(Stage1Listener listener);

  @Override
  void close();

  /** What kubelet may be told a handler can do. */
  enum Feature {
    RECURSIVE_READ_ONLY_MOUNTS,
    USER_NAMESPACES
  }

  /**
   * A process about to be run in a container. Must be closed, which removes what was written for
   * it.
   */
  interface Exec extends AutoCloseable {
    /** Runs the process; give it a deadline and an input before. */
    Command command();

    /** The cgroup that the command is to be started in; this process's own when empty. */
    default Optional<Path> cgroup() {
      return Optional.empty();
    }

    /**
     * Where a command that runs a process on a terminal hands the terminal's master over, by a unix
     * socket as in the OCI runtimes' {@code --console-socket}; it is made by the caller before.
     * When empty, {@link #terminal} says more.
     */
    default Optional<Path> consoleSocket() {
      return Optional.empty();
    }

    /**
     * A new terminal of the container's own, for a process on a terminal whose command becomes the
     * process and relays nothing; its device as this process reaches it. The caller gives it to the
     * command, and owns its master. When empty, the command is to be given one without any manners
     * ({@link PseudoTerminal#openRaw}), and relays the process's own.
     */
    default Optional<PseudoTerminal> terminal() {
      return Optional.empty();
    }

    /**
     * Whether the command ends as soon as the process runs, and leaves it to this process as its
     * child; else the command's end is the process's.
     */
    default boolean leavesProcess() {
      return false;
    }

    /**
     * What the command has left, after it has ended with 0; the caller reaps and closes it.
     *
     * @throws StageletException when there is nothing
     */
    default ChildProcess process() {
      throw new IllegalStateException("the command's end is the process's");
    }

    /**
     * After the command has run: why the process could not be run at all, in words; empty when it
     * was.
     */
    Optional<String> refusal();

    /** Kills the process and everything it started in the container; fine when all has ended. */
    void kill();

    @Override
    void close();
  }
}
