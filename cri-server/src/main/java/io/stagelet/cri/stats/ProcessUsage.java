package io.stagelet.cri.stats;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The processes of a control group and of all below it.
 *
 * @param processes how many there are
 * @param descriptors the files they have open
 * @param sockets those of them that are sockets
 * @param openFilesLimit the soft limit of the first of them; absent when none is there; -1 for none
 */
public record ProcessUsage(
    long processes, long threads, long descriptors, long sockets, OptionalLong openFilesLimit) {
  private static final String OPEN_FILES = "Max open files";
  private static final int DEEPEST = 16;

  /**
   * How the names of the kernel's own files in a group begin, dozens in each: they are not asked
   * whether they are groups.
   */
  private static final Set<String> OF_THE_KERNEL =
      Set.of(
          "cgroup", "cpu", "cpuset", "dmem", "hugetlb", "io", "irq", "memory", "misc", "pids",
          "rdma");

  /** No process. */
  public static final ProcessUsage NONE = new ProcessUsage(0, 0, 0, 0, OptionalLong.empty());

  /**
   * Looks at each process, with {@code proc} as {@code /proc}; what ends meanwhile is not counted.
   */
  public static ProcessUsage read(KernelFiles files, Path group, Path proc) {
    return read(files, group, proc, 0);
  }

  /** How many processes there are, without looking at them. */
  public static long count(KernelFiles files, Path group) {
    long count = files.text(group.resolve("cgroup.procs")).lines().count();
    for (Path child : children(files, group)) {
      count += count(files, child);
    }
    return count;
  }

  private static ProcessUsage read(KernelFiles files, Path group, Path proc, int depth) {
    ProcessUsage usage = NONE;
    for (String pid : files.lines(group.resolve("cgroup.procs"))) {
      usage = usage.plus(process(files, proc.resolve(pid)));
    }
    if (depth < DEEPEST) {
      for (Path child : children(files, group)) {
        usage = usage.plus(read(files, child, proc, depth + 1));
      }
    }
    return usage;
  }

  private static List<Path> children(KernelFiles files, Path group) {
    return files.names(group).stream()
        .filter(name -> !OF_THE_KERNEL.contains(beginning(name)))
        .map(group::resolve)
        .filter(Files::isDirectory)
        .toList();
  }

  private static String beginning(String name) {
    int dot = name.indexOf('.');
    return dot < 0 ? "" : name.substring(0, dot);
  }

  private static ProcessUsage process(KernelFiles files, Path process) {
    long descriptors = 0;
    long sockets = 0;
    Path directory = process.resolve("fd");
    for (String descriptor : files.names(directory)) {
      descriptors++;
      if (isSocket(directory.resolve(descriptor))) {
        sockets++;
      }
    }
    return new ProcessUsage(
        1,
        files.names(process.resolve("task")).size(),
        descriptors,
        sockets,
        openFilesLimit(files.text(process.resolve("limits"))));
  }

  private static boolean isSocket(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
    } catch (IOException closed) {
      return false;
    }
  }

  private static OptionalLong openFilesLimit(String limits) {
    return limits
        .lines()
        .filter(line -> line.startsWith(OPEN_FILES))
        .map(line -> line.substring(OPEN_FILES.length()).strip().split("\\s+")[0])
        .mapToLong(soft -> Keyed.number(soft).orElse(-1))
        .findFirst();
  }

  private ProcessUsage plus(ProcessUsage other) {
    return new ProcessUsage(
        processes + other.processes,
        threads + other.threads,
        descriptors + other.descriptors,
        sockets + other.sockets,
        openFilesLimit.isPresent() ? openFilesLimit : other.openFilesLimit);
  }
}
