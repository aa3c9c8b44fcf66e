package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a process may use ({@code getrlimit(2)}), for another that is to be as it. */
final class ProcessLimits {
  private static final Pattern LINE =
      Pattern.compile("(Max [a-z ]+?) {2,}(\\d+|unlimited) +(\\d+|unlimited)(?: .*)?");

  private static final String UNLIMITED = "unlimited";
  private static final String EFFECTIVE = "CapEff:";

  /** The options of {@code prlimit(1)}, by the words of {@code proc_pid_limits(5)}. */
  private static final Map<String, String> OPTIONS =
      Map.ofEntries(
          Map.entry("Max cpu time", "cpu"),
          Map.entry("Max file size", "fsize"),
          Map.entry("Max data size", "data"),
          Map.entry("Max stack size", "stack"),
          Map.entry("Max core file size", "core"),
          Map.entry("Max resident set", "rss"),
          Map.entry("Max processes", "nproc"),
          Map.entry("Max open files", "nofile"),
          Map.entry("Max locked memory", "memlock"),
          Map.entry("Max address space", "as"),
          Map.entry("Max file locks", "locks"),
          Map.entry("Max pending signals", "sigpending"),
          Map.entry("Max msgqueue size", "msgqueue"),
          Map.entry("Max nice priority", "nice"),
          Map.entry("Max realtime priority", "rtprio"),
          Map.entry("Max realtime timeout", "rttime"));

  private ProcessLimits() {}

  /**
   * With which {@code prlimit} gives a program the limits of a process, as far as this one may: it
   * raises none above its own without {@code CAP_SYS_RESOURCE}.
   */
  static List<String> options(int pid) {
    try {
      String limits = KernelFile.text(Path.of("/proc", String.valueOf(pid), "limits"));
      String highest = KernelFile.text(Path.of("/proc/self/limits"));
      return mayRaise() ? options(limits, "") : options(limits, highest);
    } catch (IOException ended) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no process can join process %d: it has ended".formatted(pid),
          ended);
    }
  }

  private static boolean mayRaise() throws IOException {
    return KernelFile.text(Path.of("/proc/self/status"))
        .lines()
        .filter(line -> line.startsWith(EFFECTIVE))
        .map(line -> Long.parseUnsignedLong(line.substring(EFFECTIVE.length()).strip(), 16))
        .anyMatch(bits -> (bits & CapabilitySet.bits(List.of("CAP_SYS_RESOURCE"))) != 0);
  }

  /**
   * The options.
   *
   * @param limits of the process that is to be followed
   * @param highest the limits of whom may not go above them; empty for none
   */
  static List<String> options(String limits, String highest) {
    Map<String, String> ends = new HashMap<>();
    read(highest, (name, limit) -> ends.put(name, limit.hard()));
    List<String> options = new ArrayList<>();
    read(
        limits,
        (name, limit) -> {
          String end = ends.getOrDefault(name, UNLIMITED);
          options.add(
              "--%s=%s:%s".formatted(name, lower(limit.soft(), end), lower(limit.hard(), end)));
        });
    return options;
  }

  private record Limit(String soft, String hard) {}

  private static void read(String limits, BiConsumer<String, Limit> each) {
    limits
        .lines()
        .forEach(line -> {
          Matcher limit = LINE.matcher(line);
          if (limit.matches() && OPTIONS.containsKey(limit.group(1))) {
            each.accept(OPTIONS.get(limit.group(1)), new Limit(limit.group(2), limit.group(3)));
          }
        });
  }

  private static String lower(String one, String other) {
    if (one.equals(UNLIMITED)) {
      return other;
    }
    return other.equals(UNLIMITED) || Long.parseUnsignedLong(one) < Long.parseUnsignedLong(other)
        ? one
        : other;
  }
}
