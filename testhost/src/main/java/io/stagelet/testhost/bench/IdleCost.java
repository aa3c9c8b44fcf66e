package io.stagelet.testhost.bench;

import io.stagelet.testhost.Node;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;

/**
 * What silent containers cost the machine.
 *
 * @param containers how many there were
 * @param without CPU before them
 * @param with CPU while they ran
 * @param processes how many processes were added, without the containers' own
 * @param megabytes what those, and those that were there, grew by (PSS)
 */
record IdleCost(int containers, CpuUse without, CpuUse with, long processes, double megabytes) {
  private static final Duration SETTLE = Duration.ofSeconds(10);
  private static final Duration WATCHED = Duration.ofSeconds(60);
  private static final double KILOBYTES_PER_MEGABYTE = 1024;

  /** What a silent container runs. */
  static final String SHELL = "exec sleep 1000000";

  /** Starts so many containers that say nothing, and looks for a while. */
  static IdleCost measure(Node node, Writers writers, int containers)
      throws IOException, InterruptedException {
    Thread.sleep(SETTLE);
    CpuUse without = CpuUse.over(WATCHED, node, writers.unit());
    ProcessTable before = ProcessTable.now();
    for (int i = 0; i < containers; i++) {
      writers.startApart("silent-" + i, SHELL);
    }
    Thread.sleep(SETTLE);
    CpuUse with = CpuUse.over(WATCHED, node, writers.unit());
    ProcessTable.Growth growth = ProcessTable.now().since(before, IdleCost::isLoad);
    return new IdleCost(
        containers,
        without,
        with,
        growth.newProcesses().values().stream().mapToLong(Long::longValue).sum(),
        growth.totalKilobytes() / KILOBYTES_PER_MEGABYTE);
  }

  private static boolean isLoad(Map.Entry<Long, ProcessTable.Entry> process) {
    return process.getKey() == ProcessHandle.current().pid()
        || SHELL.endsWith(process.getValue().command());
  }
}
