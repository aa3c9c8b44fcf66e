package io.stagelet.linux;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes this process the parent of its descendants whose own parent has ended ({@code
 * PR_SET_CHILD_SUBREAPER}, prctl(2)), and reaps those that nobody waits for.
 *
 * <p>With it a program may start a process, leave it behind and end: {@link ChildProcess#adopted}
 * then tells how that process ends. The price is that every other orphan comes here as well, and
 * would stay a zombie. Which zombie is an orphan cannot be seen: this program, and the JDK, wait
 * for the children that they started by pid, and must not be robbed of them. But they do so within
 * moments, and so one that was a zombie in two rounds has nobody. A round in which no child has
 * ended costs one system call.
 *
 * <p>Closing it ends the rounds; the process stays what it has become, for there may be another of
 * these.
 */
public final class Orphans implements AutoCloseable {
  /** Far longer than anybody who waits for a child of this process takes to ask for its end. */
  private static final Duration ROUND = Duration.ofSeconds(10);

  /** How long a process that is killed may take to end. */
  private static final Duration DYING = Duration.ofSeconds(5);

  private static final Duration POLL = Duration.ofMillis(5);
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final String UNIFIED = "0::";

  private static final int PR_SET_CHILD_SUBREAPER = 36;
  private static final int P_ALL = 0;
  private static final int P_PID = 1;
  private static final int WNOHANG = 1;
  private static final int WEXITED = 4;
  private static final int WNOWAIT = 0x01000000;
  private static final int SIGINFO_BYTES = 128;
  private static final int SIGINFO_PID = 16;

  /** In {@code /proc/PID/stat}, counted from what follows the name in parentheses (proc(5)). */
  private static final int STATE = 0;

  private static final int START_TIME = 19;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final LibcFunction PRCTL = LibcFunction.of("prctl");
  private static final LibcFunction WAITID = LibcFunction.of("waitid");

  private final Thread rounds;

  private Orphans(Duration round) {
    rounds = Thread.ofVirtual().name("orphans").unstarted(() -> reap(round));
  }

  /** Begins to take them in. */
  public static Orphans adopt() {
    return adopt(ROUND);
  }

  static Orphans adopt(Duration round) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int result = (int) PRCTL.call(errno, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
      if (result < 0) {
        throw new SystemCallException("prctl", "PR_SET_CHILD_SUBREAPER", LibcFunction.errno(errno));
      }
    } catch (StageletException failure) {
      throw failure;
    }
    Orphans orphans = new Orphans(round);
    orphans.rounds.start();
    return orphans;
  }

  @Override
  public void close() {
    rounds.interrupt();
  }

  /**
   * Reaps at once what a program has left that was killed together with what it ran. The first
   * process of a PID namespace does not end before all others in there are reaped ({@code
   * pid_namespaces(7)}): a container would outlive its own SIGKILL until the rounds find the
   * zombie.
   *
   * @param cgroup in which the program ran; this process waits for no child that is in it
   */
  public static void reap(Path cgroup) {
    // the program is reaped: what it had has come here, if it comes here at all
    List<Long> left =
        new ArrayList<>(
            ProcessHandle.current()
                .children()
                .map(ProcessHandle::pid)
                .filter(pid -> isIn(cgroup, pid))
                .toList());
    long deadline = System.nanoTime() + DYING.toNanos();
    try {
      while (true) {
        left.removeIf(pid -> wait(P_PID, pid.intValue(), WEXITED | WNOHANG) || !isIn(cgroup, pid));
        if (left.isEmpty() || System.nanoTime() > deadline) {
          return;
        }
        Thread.sleep(POLL);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Zombies are as long as they are not reaped, though the cgroup does not list them. */
  private static boolean isIn(Path cgroup, long pid) {
    try {
      return KernelFile.text(Path.of("/proc", Long.toString(pid), "cgroup"))
          .lines()
          .filter(line -> line.startsWith(UNIFIED))
          .map(line -> line.substring(UNIFIED.length()).replace(" (deleted)", ""))
          .anyMatch(path -> CGROUPS.resolve(path.substring(1)).equals(cgroup));
    } catch (IOException reaped) {
      return false;
    }
  }

  private static void reap(Duration round) {
    Map<Long, String> before = new HashMap<>();
    try {
      while (true) {
        Thread.sleep(round);
        Map<Long, String> zombies = anyZombie() ? zombies() : Map.of();
        zombies.forEach((pid, start) -> {
          if (start.equals(before.get(pid))) {
            boolean _ = wait(P_PID, pid.intValue(), WEXITED | WNOHANG);
          }
        });
        before.clear();
        before.putAll(zombies);
      }
    } catch (InterruptedException closed) {
      // nobody waits for this thread
      return;
    }
  }

  private static boolean anyZombie() {
    return wait(P_ALL, 0, WEXITED | WNOHANG | WNOWAIT);
  }

  /** The children that have ended and are not reaped, with when they began. */
  private static Map<Long, String> zombies() {
    Map<Long, String> zombies = new HashMap<>();
    ProcessHandle.current()
        .children()
        .forEach(child -> {
          String start = startOfZombie(child.pid());
          if (start != null) {
            zombies.put(child.pid(), start);
          }
        });
    return zombies;
  }

  private static @Nullable String startOfZombie(long pid) {
    try {
      String stat = KernelFile.text(Path.of("/proc", Long.toString(pid), "stat"));
      String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
      return fields[STATE].equals("Z") ? fields[START_TIME] : null;
    } catch (IOException reaped) {
      return null;
    }
  }

  /** Whether there was one; also when it is no child any more, there is none. */
  private static boolean wait(int kind, int id, int options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(SIGINFO_BYTES, 8);
      int result =
          (int) WAITID.call(LibcFunction.errnoSegment(arena), kind, id, info.address(), options);
      return result == 0 && info.get(INT, SIGINFO_PID) != 0;
    }
  }
}
