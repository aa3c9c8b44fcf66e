package io.stagelet.testhost.bench;

import io.stagelet.testhost.Node;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/**
 * CPU that was used up over a while, in milliseconds a second. It is what the cgroups' {@code
 * cpu.stat} tells, which counts each run of each process; the root's own counts ticks, between
 * which short runs fall, and is left out, and with it the kernel's threads.
 *
 * @param unit of the unit that carries output
 * @param machine of all processes, without the benchmark
 */
record CpuUse(double unit, double machine) {
  private static final Path CGROUPS = Path.of("/sys/fs/cgroup");
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double MICROS_PER_MILLI = 1e3;

  /** Watches for a while. */
  static CpuUse over(Duration watched, Node node, String unit)
      throws IOException, InterruptedException {
    String path =
        node.run(List.of("systemctl", "show", "--property=ControlGroup", "--value", unit));
    // a slice that has nothing in it is not there
    Path cgroup = path.isBlank() ? CGROUPS.resolve("none") : Path.of(CGROUPS + path.strip());
    double unitBefore = micros(cgroup);
    double machineBefore = machineMicros();
    long begun = System.nanoTime();
    Thread.sleep(watched);
    double seconds = (System.nanoTime() - begun) / 1e9;
    return new CpuUse(
        (micros(cgroup) - unitBefore) / MICROS_PER_MILLI / seconds,
        (machineMicros() - machineBefore) / MICROS_PER_MILLI / seconds);
  }

  private static double machineMicros() throws IOException {
    double all = 0;
    try (Stream<Path> cgroups = Files.list(CGROUPS)) {
      for (Path cgroup : cgroups.filter(Files::isDirectory).toList()) {
        all += micros(cgroup);
      }
    }
    return all - own() / NANOS_PER_MICRO;
  }

  private static long own() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static double micros(Path cgroup) throws IOException {
    try {
      return Files.readAllLines(cgroup.resolve("cpu.stat")).stream()
          .filter(line -> line.startsWith("usage_usec "))
          .mapToLong(line -> Long.parseLong(line.split(" ", 2)[1]))
          .findFirst()
          .orElseThrow();
    } catch (NoSuchFileException none) {
      return 0;
    }
  }
}
