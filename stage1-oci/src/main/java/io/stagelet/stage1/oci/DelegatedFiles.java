package io.stagelet.stage1.oci;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Writes to the control groups of containers what systemd has no property for. The unit's first
 * command does it as the unit starts, since there is no such group before; afterwards the server.
 *
 * <p>A controller that systemd does not know (hugetlb) is switched on for the groups above as well,
 * as kubelet does for its own: systemd leaves those it does not know alone.
 */
final class DelegatedFiles {
  private static final String SWITCH = "cgroup.subtree_control";

  /** What is a systemd controller is on in every delegated group. */
  private static final Set<String> SYSTEMD_CONTROLLERS =
      Set.of("cpu", "cpuset", "io", "memory", "pids", "cgroup");

  private static final String HUGE_PAGES = "hugetlb";

  /**
   * Reads lines {@code FILE VALUE} from its first argument, complains into its second, and goes on
   * to be the rest.
   */
  private static final String SCRIPT =
      """
      { while read -r file value; do
        printf '%s\\n' "$value" > "$file" || { echo "$file does not take '$value'" >&2; exit 78; }
      done < "$0"; } 2> "$1"
      shift
      exec "$@"
      """;

  private final Path root;

  /** The control groups below a directory, which is {@code /sys/fs/cgroup}. */
  DelegatedFiles(Path root) {
    this.root = root;
  }

  /**
   * What is to be written as a container starts, one line each: a path and a value. What kubelet
   * names for every container is left out where the machine has no such controller: limits of huge
   * pages, and that all of a container is ended when memory is short.
   *
   * @param cgroup the container's group, which need not exist yet
   */
  List<String> lines(Path cgroup, Limits limits) {
    List<Limits.Write> writes = effective(limits);
    List<String> lines = new ArrayList<>();
    for (String controller : foreign(writes)) {
      for (Path group : above(cgroup)) {
        lines.add("%s +%s".formatted(group.resolve(SWITCH), controller));
      }
    }
    writes.forEach(write -> lines.add(cgroup.resolve(write.file()) + " " + write.value()));
    return lines;
  }

  /** The command that writes them first; what it is given when there are none. */
  static List<String> before(List<String> command, Path lines, Path complaints) {
    List<String> whole =
        new ArrayList<>(List.of("/bin/sh", "-c", SCRIPT, lines.toString(), complaints.toString()));
    whole.addAll(command);
    return whole;
  }

  /**
   * Writes them now.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with what the kernel refused
   */
  void write(Path cgroup, Limits limits) {
    for (Limits.Write write : effective(limits)) {
      Path file = cgroup.resolve(write.file());
      try {
        Files.writeString(file, write.value(), StandardOpenOption.WRITE);
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "could not write '%s' to %s: %s"
                .formatted(write.value(), file, StageletException.reason(failure)),
            failure);
      }
    }
  }

  private List<Limits.Write> effective(Limits limits) {
    if (limits.files().stream().noneMatch(DelegatedFiles::isUnasked)) {
      return limits.files();
    }
    Set<String> there = controllers();
    return limits.files().stream()
        .filter(write -> there.contains(write.controller()) || !isUnasked(write))
        .toList();
  }

  /** Whether kubelet says it without anybody having asked for it. */
  private static boolean isUnasked(Limits.Write write) {
    return write.controller().equals(HUGE_PAGES)
        || (write.file().equals("memory.oom.group") && write.value().equals("1"));
  }

  private Set<String> controllers() {
    try {
      return Set.of(KernelFile.text(root.resolve("cgroup.controllers")).strip().split(" +"));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read the controllers of %s: %s"
              .formatted(root, StageletException.reason(failure)),
          failure);
    }
  }

  private static Set<String> foreign(List<Limits.Write> writes) {
    return writes.stream()
        .map(Limits.Write::controller)
        .filter(controller -> !SYSTEMD_CONTROLLERS.contains(controller))
        .collect(Collectors.toCollection(java.util.TreeSet::new));
  }

  /** The root and every group down to the one above {@code cgroup}. */
  private List<Path> above(Path cgroup) {
    List<Path> groups = new ArrayList<>(List.of(root));
    Path relative = root.relativize(cgroup);
    for (int depth = 1; depth < relative.getNameCount(); depth++) {
      groups.add(root.resolve(relative.subpath(0, depth)));
    }
    return groups;
  }
}
