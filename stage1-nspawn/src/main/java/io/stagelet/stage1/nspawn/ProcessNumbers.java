package io.stagelet.stage1.nspawn;

import io.stagelet.linux.KernelFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Numbers of processes, here and in machines ({@code NSpid} of {@code proc_pid_status(5)}). */
final class ProcessNumbers {
  private static final String NUMBERS = "NSpid:";

  private ProcessNumbers() {}

  /**
   * The number on this host of a process of a machine.
   *
   * @param cgroup the control group that it is in
   * @param inside its number in the machine
   */
  static Optional<Integer> onThisHost(Path cgroup, int inside) {
    try {
      for (String line : KernelFile.text(cgroup.resolve("cgroup.procs")).lines().toList()) {
        List<Integer> numbers = of(Integer.parseInt(line));
        if (numbers.size() > 1 && numbers.get(1) == inside) {
          return Optional.of(numbers.getFirst());
        }
      }
    } catch (IOException gone) {
      return Optional.empty();
    }
    return Optional.empty();
  }

  /** Whether a process is the first of a PID namespace. */
  static boolean isFirst(int pid) {
    List<Integer> numbers = of(pid);
    return numbers.size() > 1 && numbers.getLast() == 1;
  }

  private static List<Integer> of(int pid) {
    try {
      return KernelFile.text(Path.of("/proc", String.valueOf(pid), "status"))
          .lines()
          .filter(line -> line.startsWith(NUMBERS))
          .flatMap(line -> List.of(line.substring(NUMBERS.length()).strip().split("\\s+")).stream())
          .map(Integer::parseInt)
          .toList();
    } catch (IOException ended) {
      return List.of();
    }
  }
}
