package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A program started with {@code posix_spawn(3)}: one process and nothing besides, no helper program
 * and no thread that waits for it. Its end is told by a pidfd ({@code pidfd_open(2)}), which can be
 * watched with others.
 *
 * <p>It inherits no descriptor but its three standard ones, no blocked and no ignored signal.
 *
 * <p>Closed by whoever started it, after its end was seen by {@link #exitCode}; what was not
 * awaited stays a zombie until this process ends.
 */
public final class ChildProcess implements AutoCloseable {
  /** What a program's three standard streams are. */
  public sealed interface Streams {}

  /**
   * Three descriptors of 3 and above, which stay the caller's.
   *
   * @param input what it reads
   * @param output where its output goes
   * @param errors where its errors go
   */
  public record Three(int input, int output, int errors) implements Streams {}

  /**
   * One terminal for all of them; the program leads a session of its own, whose controlling
   * terminal it is.
   */
  public record Terminal(Path device) implements Streams {}

  /** Room for {@code posix_spawn_file_actions_t}, {@code posix_spawnattr_t}, with some to spare. */
  private static final long OPAQUE_BYTES = 512;

  private static final int SIGNAL_SET_BYTES = 128;
  private static final int SIGINFO_BYTES = 128;
  private static final int SIGINFO_CODE = 8;
  private static final int SIGINFO_PID = 16;
  private static final int SIGINFO_STATUS = 24;
  private static final int CLD_EXITED = 1;
  private static final short SETSIGDEF = 0x04;
  private static final short SETSIGMASK = 0x08;
  private static final short SETSID = 0x80;
  private static final short SETCGROUP = 0x100;
  private static final int O_RDWR = 2;
  private static final int P_PIDFD = 3;
  private static final int WNOHANG = 1;
  private static final int WEXITED = 4;
  private static final int WNOWAIT = 0x01000000;
  private static final int SIGKILL = 9;
  private static final int SIGCHLD = 17;
  private static final int SIG_DFL = 0;
  private static final int FIRST_OTHER = 3;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

  private static final LibcFunction SPAWN = LibcFunction.of("posix_spawnp");
  private static final LibcFunction ACTIONS_INIT = LibcFunction.of("posix_spawn_file_actions_init");
  private static final LibcFunction ACTIONS_DESTROY =
      LibcFunction.of("posix_spawn_file_actions_destroy");
  private static final LibcFunction ADD_DUP2 = LibcFunction.of("posix_spawn_file_actions_adddup2");
  private static final LibcFunction ADD_OPEN = LibcFunction.of("posix_spawn_file_actions_addopen");
  private static final LibcFunction ADD_CLOSEFROM =
      LibcFunction.of("posix_spawn_file_actions_addclosefrom_np");
  private static final LibcFunction ATTRIBUTES_INIT = LibcFunction.of("posix_spawnattr_init");
  private static final LibcFunction ATTRIBUTES_DESTROY = LibcFunction.of("posix_spawnattr_destroy");
  private static final LibcFunction SET_FLAGS = LibcFunction.of("posix_spawnattr_setflags");
  private static final LibcFunction SET_DEFAULT = LibcFunction.of("posix_spawnattr_setsigdefault");
  private static final LibcFunction SET_MASK = LibcFunction.of("posix_spawnattr_setsigmask");
  private static final LibcFunction SYSCALL_PIDFD_OPEN = LibcFunction.of("syscall");
  private static final LibcFunction SYSCALL_PIDFD_SEND_SIGNAL = LibcFunction.of("syscall");
  private static final LibcFunction WAITID = LibcFunction.of("waitid");

  /** Of glibc 2.39: the child is made in a cgroup ({@code CLONE_INTO_CGROUP}). */
  private static final Optional<LibcFunction> SET_CGROUP =
      LibcFunction.find("posix_spawnattr_setcgroup_np");

  /**
   * Where the C library cannot: a shell goes there and becomes the program. To {@code
   * cgroup.procs}, 0 is the process that writes it (cgroups(7)).
   */
  private static final String ENTER_CGROUP = "echo 0 > \"$0\" && exec \"$@\"";

  /** The numbers are the same on every architecture since they came (Linux 5.1 and later). */
  private static final long PIDFD_SEND_SIGNAL = 424;

  private static final long PIDFD_OPEN = 434;

  static {
    // inherited as ignored, the kernel would reap every child before its exit code is asked for
    try (Arena arena = Arena.ofConfined()) {
      LibcFunction.of("signal").call(LibcFunction.errnoSegment(arena), SIGCHLD, SIG_DFL);
    }
  }

  private final int pid;
  private final int pidfd;
  private OptionalInt exitCode = OptionalInt.empty();

  private ChildProcess(int pid, int pidfd) {
    this.pid = pid;
    this.pidfd = pidfd;
  }

  /**
   * Starts a program.
   *
   * @param arguments the program (a path, or a name looked up in this process's {@code PATH}) and
   *     its arguments
   * @param environment all the environment it gets
   * @throws StageletException {@code NOT_FOUND} when it cannot be run
   */
  public static ChildProcess start(
      List<String> arguments, Map<String, String> environment, Streams streams) {
    return start(arguments, environment, streams, Optional.empty());
  }

  /**
   * Starts a program in a cgroup. With glibc 2.39 or later it is made there, which also saves what
   * a move costs: the kernel lets a whole RCU period pass before one.
   *
   * @param arguments the program (a path, or a name looked up in this process's {@code PATH}) and
   *     its arguments
   * @param environment all the environment it gets
   * @param cgroup the cgroup's folder; this process's own cgroup when empty
   * @throws StageletException {@code NOT_FOUND} when it cannot be run, or the cgroup is not there
   */
  public static ChildProcess start(
      List<String> arguments,
      Map<String, String> environment,
      Streams streams,
      Optional<Path> cgroup) {
    if (cgroup.isEmpty()) {
      return spawn(arguments, environment, streams, -1);
    }
    if (SET_CGROUP.isEmpty()) {
      List<String> shell =
          new ArrayList<>(
              List.of(
                  "/bin/sh", "-c", ENTER_CGROUP, cgroup.get().resolve("cgroup.procs").toString()));
      shell.addAll(arguments);
      return spawn(shell, environment, streams, -1);
    }
    int folder =
        new DescriptorCalls()
            .open(cgroup.get(), DescriptorCalls.O_RDONLY | DescriptorCalls.O_DIRECTORY, 0);
    try {
      return spawn(arguments, environment, streams, folder);
    } finally {
      Descriptors.close(folder);
    }
  }

  private static ChildProcess spawn(
      List<String> arguments, Map<String, String> environment, Streams streams, int cgroup) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment actions = arena.allocate(OPAQUE_BYTES, 16);
      MemorySegment attributes = arena.allocate(OPAQUE_BYTES, 16);
      done(
          (int) ACTIONS_INIT.call(errno, actions.address()),
          "posix_spawn_file_actions_init",
          arguments);
      done(
          (int) ATTRIBUTES_INIT.call(errno, attributes.address()),
          "posix_spawnattr_init",
          arguments);
      try {
        prepare(arena, errno, actions, attributes, streams, cgroup, arguments);
        MemorySegment pid = arena.allocate(INT);
        int refused =
            (int)
                SPAWN.call(
                    errno,
                    pid.address(),
                    arena.allocateFrom(arguments.getFirst()).address(),
                    actions.address(),
                    attributes.address(),
                    strings(arena, arguments).address(),
                    strings(
                            arena,
                            environment.entrySet().stream()
                                .map(variable -> variable.getKey() + "=" + variable.getValue())
                                .toList())
                        .address());
        if (refused != 0) {
          SystemCallException cause =
              new SystemCallException("posix_spawn", arguments.getFirst(), refused);
          throw new StageletException(
              ErrorCode.NOT_FOUND,
              "could not run %s: %s; is the package that brings it installed?"
                  .formatted(arguments.getFirst(), StageletException.reason(cause)),
              cause);
        }
        return new ChildProcess(pid.get(INT, 0), watch(arena, pid.get(INT, 0)));
      } finally {
        ACTIONS_DESTROY.call(errno, actions.address());
        ATTRIBUTES_DESTROY.call(errno, attributes.address());
      }
    }
  }

  /**
   * A child of this process that another program has started and left behind ({@link Orphans}).
   *
   * @throws StageletException {@code NOT_FOUND} when this process has no such child, or has reaped
   *     it
   */
  public static ChildProcess adopted(int pid) {
    try (Arena arena = Arena.ofConfined();
        CleanupStack undo = new CleanupStack()) {
      int pidfd = watch(arena, pid);
      undo.push("close a pidfd", () -> Descriptors.close(pidfd));
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment info = arena.allocate(SIGINFO_BYTES, 8);
      int result =
          (int) WAITID.call(errno, P_PIDFD, pidfd, info.address(), WEXITED | WNOHANG | WNOWAIT);
      if (result < 0) {
        throw new SystemCallException("waitid", "process " + pid, LibcFunction.errno(errno));
      }
      undo.keep();
      return new ChildProcess(pid, pidfd);
    } catch (SystemCallException failure) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "process %d is no child of this process (%s)"
              .formatted(pid, StageletException.reason(failure)),
          failure);
    }
  }

  private static void prepare(
      Arena arena,
      MemorySegment errno,
      MemorySegment actions,
      MemorySegment attributes,
      Streams streams,
      int cgroup,
      List<String> arguments) {
    short flags = SETSIGDEF | SETSIGMASK;
    switch (streams) {
      case Three(int input, int output, int errors) -> {
        done((int) ADD_DUP2.call(errno, actions.address(), input, 0), "adddup2", arguments);
        done((int) ADD_DUP2.call(errno, actions.address(), output, 1), "adddup2", arguments);
        done((int) ADD_DUP2.call(errno, actions.address(), errors, 2), "adddup2", arguments);
      }
      case Terminal(Path device) -> {
        flags |= SETSID;
        MemorySegment path = arena.allocateFrom(device.toString());
        done(
            (int) ADD_OPEN.call(errno, actions.address(), 0, path.address(), O_RDWR, 0),
            "addopen",
            arguments);
        done((int) ADD_DUP2.call(errno, actions.address(), 0, 1), "adddup2", arguments);
        done((int) ADD_DUP2.call(errno, actions.address(), 0, 2), "adddup2", arguments);
      }
    }
    done(
        (int) ADD_CLOSEFROM.call(errno, actions.address(), FIRST_OTHER), "addclosefrom", arguments);
    MemorySegment none = arena.allocate(SIGNAL_SET_BYTES, 8);
    MemorySegment all = arena.allocate(SIGNAL_SET_BYTES, 8).fill((byte) 0xff);
    done((int) SET_MASK.call(errno, attributes.address(), none.address()), "setsigmask", arguments);
    done(
        (int) SET_DEFAULT.call(errno, attributes.address(), all.address()),
        "setsigdefault",
        arguments);
    if (cgroup >= 0) {
      flags |= SETCGROUP;
      done(
          (int) SET_CGROUP.orElseThrow().call(errno, attributes.address(), cgroup),
          "setcgroup",
          arguments);
    }
    done((int) SET_FLAGS.call(errno, attributes.address(), flags), "setflags", arguments);
  }

  private static MemorySegment strings(Arena arena, List<String> texts) {
    MemorySegment array = arena.allocate(ValueLayout.ADDRESS, texts.size() + 1L);
    for (int i = 0; i < texts.size(); i++) {
      array.setAtIndex(ValueLayout.ADDRESS, i, arena.allocateFrom(texts.get(i)));
    }
    return array;
  }

  private static int watch(Arena arena, int pid) {
    MemorySegment errno = LibcFunction.errnoSegment(arena);
    long fd = SYSCALL_PIDFD_OPEN.call(errno, PIDFD_OPEN, pid, 0);
    if (fd < 0) {
      // not waited for yet, and so there even if it has ended: only for want of descriptors
      throw new SystemCallException("pidfd_open", "process " + pid, LibcFunction.errno(errno));
    }
    return (int) fd;
  }

  /** Its process id. */
  public int pid() {
    return pid;
  }

  /** Becomes readable when it has ended; stays this object's. */
  public int pidfd() {
    return pidfd;
  }

  /**
   * How it ended: its exit code, or 128 + n when signal n ended it; empty while it runs. Reaps it.
   */
  public synchronized OptionalInt exitCode() {
    if (exitCode.isPresent()) {
      return exitCode;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment info = arena.allocate(SIGINFO_BYTES, 8);
      int result = (int) WAITID.call(errno, P_PIDFD, pidfd, info.address(), WEXITED | WNOHANG);
      if (result < 0) {
        throw new SystemCallException("waitid", "process " + pid, LibcFunction.errno(errno));
      }
      if (info.get(INT, SIGINFO_PID) != 0) {
        int status = info.get(INT, SIGINFO_STATUS);
        exitCode =
            OptionalInt.of(info.get(INT, SIGINFO_CODE) == CLD_EXITED ? status : 128 + status);
      }
      return exitCode;
    }
  }

  /** Sends it SIGKILL; fine when it has ended. */
  public synchronized void kill() {
    if (exitCode.isPresent()) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      long result = SYSCALL_PIDFD_SEND_SIGNAL.call(errno, PIDFD_SEND_SIGNAL, pidfd, SIGKILL, 0, 0);
      if (result < 0 && LibcFunction.errno(errno) != Errno.ESRCH) {
        throw new SystemCallException(
            "pidfd_send_signal", "process " + pid, LibcFunction.errno(errno));
      }
    }
  }

  /** Closes the pidfd. */
  @Override
  public void close() {
    Descriptors.close(pidfd);
  }

  private static void done(int result, String call, List<String> arguments) {
    if (result != 0) {
      throw new SystemCallException(call, arguments.getFirst(), result);
    }
  }
}
