package io.stagelet.testhost.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * What silent containers cost the machine.
 *
 * @param containers how many there were
 * @param cpuMillisPerSecond of the whole machine while they ran, less what it took before them
 * @param processes how many processes were added, without the containers' own
 * @param megabytes what those, and those that were there, grew by (PSS)
 */
record IdleCost(int containers, double cpuMillisPerSecond, long processes, double megabytes) {
  private static final Duration SETTLE = Duration.ofSeconds(5);
  private static final Duration WATCHED = Duration.ofSeconds(20);
  private static final double KILOBYTES_PER_MEGABYTE = 1024;

  /** What a silent container runs. */
  static final String SHELL = "exec sleep 1000000";

  /** Starts so many containers that say nothing, and looks for a while. */
  static IdleCost measure(Writers writers, int containers)
      throws IOException, InterruptedException {
    Thread.sleep(SETTLE);
    double cpuBefore = watchedCpu();
    ProcessTable before = ProcessTable.now();
    for (int i = 0; i < containers; i++) {
      writers.startApart("silent-" + i, SHELL);
    }
    Thread.sleep(SETTLE);
    double cpu = watchedCpu();
    ProcessTable.Growth growth = ProcessTable.now().since(before, IdleCost::isLoad);
    return new IdleCost(
        containers,
        cpu - cpuBefore,
        growth.newProcesses().values().stream().mapToLong(Long::longValue).sum(),
        growth.totalKilobytes() / KILOBYTES_PER_MEGABYTE);
  }

  private static boolean isLoad(Map.Entry<Long, ProcessTable.Entry> process) {
    return process.getKey() == ProcessHandle.current().pid()
        || SHELL.endsWith(process.getValue().command());
  }

  private static double watchedCpu() throws IOException, InterruptedException {
    long before = cpuMicros();
    Thread.sleep(WATCHED);
    return (cpuMicros() - before) / 1e3 / WATCHED.toSeconds();
  }

  private static long cpuMicros() throws IOException {
    return Files.readAllLines(Path.of("/sys/fs/cgroup/cpu.stat")).stream()
        .filter(line -> line.startsWith("usage_usec "))
        .mapToLong(line -> Long.parseLong(line.split(" ", 2)[1]))
        .findFirst()
        .orElseThrow();
  }
}
