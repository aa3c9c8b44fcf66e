package io.stagelet.testhost.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The processes of a machine at one moment with the memory that each takes, from {@code
 * /proc/PID/smaps_rollup} (proc_pid_smaps(5)). Kernel threads are left out: they have none.
 */
record ProcessTable(Map<Long, Entry> processes) {
  ProcessTable {
    processes = Map.copyOf(processes);
  }

  /**
   * One process.
   *
   * @param command its arguments, separated by spaces
   * @param pssKilobytes its proportional set size: pages that n processes share count one n-th
   */
  record Entry(String command, long pssKilobytes) {}

  /**
   * What was added to an earlier table.
   *
   * @param newKilobytes the memory of processes that were not there
   * @param newProcesses how many those are, by program
   * @param initGrowthKilobytes what process 1 grew by, not below zero
   * @param otherGrowthKilobytes what the others that were there (journald, the bus) grew by, not
   *     below zero
   */
  record Growth(
      long newKilobytes,
      Map<String, Long> newProcesses,
      long initGrowthKilobytes,
      long otherGrowthKilobytes) {
    Growth {
      newProcesses = Map.copyOf(newProcesses);
    }

    long totalKilobytes() {
      return newKilobytes + initGrowthKilobytes + otherGrowthKilobytes;
    }
  }

  private static final long INIT = 1;

  /** systemd-udevd's own, which come with any new interface and go after some seconds. */
  private static final String DEVICE_HELPER = "(udev-worker)";

  /** All processes of this machine. */
  static ProcessTable now() {
    return read(Path.of("/proc"));
  }

  static ProcessTable read(Path proc) {
    Map<Long, Entry> processes = new HashMap<>();
    try (Stream<Path> entries = Files.list(proc)) {
      entries
          .filter(entry -> entry.getFileName().toString().chars().allMatch(Character::isDigit))
          .forEach(entry -> {
            long pss = pssKilobytes(text(entry.resolve("smaps_rollup")));
            if (pss > 0) {
              processes.put(
                  Long.valueOf(entry.getFileName().toString()),
                  new Entry(text(entry.resolve("cmdline")).replace('\0', ' ').strip(), pss));
            }
          });
    } catch (IOException failure) {
      throw new UncheckedIOException("could not list the processes in " + proc, failure);
    }
    return new ProcessTable(processes);
  }

  /**
   * What is there now and was not then.
   *
   * @param ignored processes to leave out: the load itself
   */
  Growth since(ProcessTable before, Predicate<Map.Entry<Long, Entry>> ignored) {
    List<Map.Entry<Long, Entry>> counted =
        processes.entrySet().stream().filter(ignored.negate()).toList();
    List<Entry> added =
        counted.stream()
            .filter(process -> !before.processes.containsKey(process.getKey()))
            .map(Map.Entry::getValue)
            .filter(process -> !program(process).equals(DEVICE_HELPER))
            .toList();
    long others =
        counted.stream()
            .filter(process -> process.getKey() != INIT)
            .filter(process -> before.processes.containsKey(process.getKey()))
            .mapToLong(process -> growth(before, process.getKey()))
            .sum();
    return new Growth(
        added.stream().mapToLong(Entry::pssKilobytes).sum(),
        added.stream().collect(Collectors.groupingBy(ProcessTable::program, Collectors.counting())),
        Math.max(0, growth(before, INIT)),
        Math.max(0, others));
  }

  private long growth(ProcessTable before, long process) {
    Entry now = processes.get(process);
    Entry then = before.processes.get(process);
    return now == null || then == null ? 0 : now.pssKilobytes() - then.pssKilobytes();
  }

  private static String program(Entry entry) {
    String path = entry.command().split(" ", 2)[0];
    return path.substring(path.lastIndexOf('/') + 1);
  }

  /** A process that has ended meanwhile, and a kernel thread, have no text. */
  private static String text(Path file) {
    try {
      return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    } catch (IOException gone) {
      return "";
    }
  }

  private static long pssKilobytes(String smaps) {
    return smaps
        .lines()
        .filter(line -> line.startsWith("Pss:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .sum();
  }
}
