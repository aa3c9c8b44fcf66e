package io.stagelet.cri.conformance;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/** The processes of the node, as its administrator sees them: those of containers among them. */
final class NodeProcesses {
  private static final Path PROC = Path.of("/proc");

  private NodeProcesses() {}

  /**
   * A number of seconds, longer than any test, that no other test sleeps: the process that sleeps
   * it can be found by that.
   */
  static String markedSleep() {
    return Long.toString(ThreadLocalRandom.current().nextLong(1_000_000L, 1_000_000_000L));
  }

  /** The ids, on the node, of the processes that sleep this long. */
  static List<Long> sleeping(String seconds) {
    try (Stream<Path> entries = Files.list(PROC)) {
      return entries
          .map(entry -> entry.getFileName().toString())
          .filter(name -> name.chars().allMatch(Character::isDigit))
          .filter(pid -> sleeps(pid, seconds))
          .map(Long::valueOf)
          .toList();
    } catch (IOException failure) {
      throw new java.io.UncheckedIOException("could not list the node's processes", failure);
    }
  }

  /** The control group of a process, as the node sees it: {@code /a.slice/b.service}. */
  static String cgroup(long pid) {
    return read(Long.toString(pid), "cgroup")
        .orElseThrow(() -> new IllegalStateException("process " + pid + " has ended"))
        .lines()
        .filter(line -> line.startsWith("0::")) // version 1 hierarchies may be beside it
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("the node has no cgroup v2"))
        .substring("0::".length());
  }

  private static boolean sleeps(String pid, String seconds) {
    return read(pid, "cmdline")
        .map(arguments -> List.of(arguments.split("\0")))
        .filter(arguments -> arguments.size() >= 2)
        .filter(arguments -> arguments.get(arguments.size() - 2).endsWith("sleep"))
        .filter(arguments -> arguments.getLast().equals(seconds))
        .isPresent();
  }

  private static Optional<String> read(String pid, String file) {
    try {
      return Optional.of(
          new String(
              Files.readAllBytes(PROC.resolve(pid).resolve(file)), StandardCharsets.ISO_8859_1));
    } catch (IOException ended) {
      return Optional.empty();
    }
  }
}
