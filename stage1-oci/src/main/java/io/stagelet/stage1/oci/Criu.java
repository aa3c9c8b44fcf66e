package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Namespaces;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What is said to criu, which writes and restores the state of processes.
 *
 * <p>The state is written by criu itself: asked by crun, which here leaves control groups alone, it
 * would take the root of their hierarchy for the container's and freeze the whole machine. It is
 * restored by the OCI runtime's {@code restore}, which notes the container as its own, so that
 * processes can join it; what the runtime does not tell criu is in a file of options that criu
 * finds by its environment.
 *
 * <p>What belongs to the pod and not to the container is left out of the state, by names that both
 * runtimes know: the network namespace, a PID namespace that is the pod's, what is mounted from the
 * host, and the ends of the FIFOs of its output.
 */
final class Criu {
  private static final List<Path> PLACES =
      List.of(Path.of("/usr/local/sbin/criu"), Path.of("/usr/sbin/criu"), Path.of("/usr/bin/criu"));
  private static final String IMAGES = "checkpoint";

  /** What the first three descriptors of the container were, by which they are connected again. */
  private static final String DESCRIPTORS = "descriptors.json";

  /** Kinds of filesystems of which criu makes new ones. */
  private static final Set<String> MADE_ANEW =
      Set.of("proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts");

  private static final int COMPLAINTS = 5;

  /** How long criu may take to let go of processes when its own time is over. */
  private static final Duration RELEASE = Duration.ofSeconds(10);

  /** As {@link #externals} names what is outside. An archive may be hostile. */
  private static final Pattern OUTSIDE = Pattern.compile("file\\[[0-9a-f]+:[0-9a-f]+]");

  /** What a line of the file of options can hold. */
  private static final Pattern PLAIN = Pattern.compile("[^\\s\"#\\\\\\]]+");

  private final ObjectMapper json;

  Criu(ObjectMapper json) {
    this.json = json;
  }

  /**
   * Checks that there is a criu.
   *
   * @param what is wanted of it, of whom: the begin of the sentence that refuses it
   */
  static Path binary(String what) {
    return binary(what, PLACES);
  }

  static Path binary(String what, List<Path> places) {
    return places.stream()
        .filter(place -> Files.isRegularFile(place) && Files.isExecutable(place))
        .findFirst()
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.UNIMPLEMENTED,
                "%s: criu, which does that for OCI runtimes, is not installed on this node (there is none of %s); install the package criu"
                    .formatted(what, places)));
  }

  /** Refuses what cannot be taken out of a pod and put into another. */
  static void check(String what, ContainerPlan container) {
    String reason = null;
    if (container.sandbox().ids().isPresent()) {
      reason = "its pod has a user namespace";
    } else if (container.process().terminal()) {
      reason = "it has a terminal";
    } else if (container.sandbox().hostIpc()) {
      reason = "its pod shares the IPC namespace of the host";
    } else {
      reason =
          switch (container.pids().sharing()) {
            case OWN, POD -> null;
            case HOST -> "it shares the PID namespace of the host";
            case TARGET -> "it shares the PID namespace of another container";
          };
    }
    if (reason != null) {
      throw new StageletException(ErrorCode.UNIMPLEMENTED, what + ": " + reason);
    }
  }

  /**
   * Writes the state of a container's processes; they go on unless their control group is frozen.
   *
   * @param pid the first of them
   * @param directory with a folder {@code checkpoint}
   * @param cgroup the container's control group
   */
  void dump(ContainerPlan container, int pid, Path directory, Path cgroup, Duration limit) {
    String what = "container %s cannot be checkpointed".formatted(container.name());
    Path criu = binary(what);
    check(what, container);
    List<String> command =
        new ArrayList<>(
            List.of(
                criu.toString(),
                "dump",
                "--tree",
                String.valueOf(pid),
                "--images-dir",
                directory.resolve(IMAGES).toString(),
                "--work-dir",
                directory.toString(),
                "--log-file",
                "dump.log",
                "--root",
                container.rootfs().toString(),
                "--leave-running",
                "--freeze-cgroup",
                cgroup.toString(),
                // the groups' names must be in it, so that they can be others later
                "--manage-cgroups=soft",
                // where it goes on, it has another address
                "--tcp-close",
                "--ext-unix-sk",
                "--file-locks",
                "--timeout",
                String.valueOf(Math.max(1, limit.toSeconds()))));
    try {
      externals(container, pid, directory.resolve(IMAGES))
          .forEach(external -> command.addAll(List.of("--external", external)));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s: its process %d is gone (%s)".formatted(what, pid, StageletException.reason(failure)),
          failure);
    }
    // criu itself ends in time, and lets the processes go: killed, it would leave its code in them
    Command.Outcome outcome = Command.of(command).withDeadline(limit.plus(RELEASE)).run();
    if (outcome.exitCode() != 0) {
      String complaints = complaints(directory.resolve("dump.log"));
      throw new StageletException(
          ErrorCode.INTERNAL,
          "%s: criu says: %s"
              .formatted(what, complaints.isEmpty() ? outcome.complaint() : complaints));
    }
  }

  private List<String> externals(ContainerPlan container, int pid, Path images) throws IOException {
    List<String> externals = new ArrayList<>();
    List<MountInfo> mounts = MountInfo.of(pid);
    Set<String> ofHost =
        MountInfo.all().stream().map(MountInfo::device).collect(Collectors.toSet());
    mounts.stream()
        .filter(mount -> !mount.target().equals(Path.of("/")))
        .filter(mount -> ofHost.contains(mount.device()) && !MADE_ANEW.contains(mount.type()))
        .map(mount -> "mnt[%s]:%s".formatted(mount.target(), mount.target()))
        .forEach(externals::add);
    if (container.sandbox().networkNamespace().isPresent()) {
      externals.add("net[%d]:extRootNetNS".formatted(inode(namespace(pid, "net"))));
    }
    if (container.pids().sharing() == ContainerPlan.Pids.Sharing.POD) {
      externals.add("pid[%d]:extRootPidNS".formatted(inode(namespace(pid, "pid"))));
    }
    Set<Integer> known = mounts.stream().map(MountInfo::id).collect(Collectors.toSet());
    List<String> descriptors = new ArrayList<>();
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
      Path file = Path.of("/proc/%d/fd/%d".formatted(pid, descriptor));
      if (!Files.exists(file)) {
        descriptors.add("");
        continue;
      }
      int mount = mountOf(pid, descriptor);
      if (known.contains(mount)) {
        descriptors.add(Files.readSymbolicLink(file).toString());
      } else {
        String name = "file[%x:%x]".formatted(mount, inode(file));
        descriptors.add(name);
        externals.add(name);
      }
    }
    Files.write(images.resolve(DESCRIPTORS), json.writeValueAsBytes(descriptors));
    return externals.stream().distinct().toList();
  }

  private static Path namespace(int pid, String kind) {
    return Path.of("/proc/%d/ns/%s".formatted(pid, kind));
  }

  private static long inode(Path file) throws IOException {
    return Files.getAttribute(file, "unix:ino") instanceof Long number ? number : 0;
  }

  private static int mountOf(int pid, int descriptor) throws IOException {
    return Files.readAllLines(Path.of("/proc/%d/fdinfo/%d".formatted(pid, descriptor))).stream()
        .filter(line -> line.startsWith("mnt_id:"))
        .map(line -> Integer.parseInt(line.substring("mnt_id:".length()).strip()))
        .findFirst()
        .orElseThrow(() -> new IOException("the kernel does not tell its mount"));
  }

  /** The state of the processes that go on in a container. */
  static Path images(Path checkpoint) {
    return checkpoint.resolve(IMAGES);
  }

  /** Where criu says what it does when it restores. */
  static Path log(ContainerPlan container) {
    return container.directory().resolve("restore.log");
  }

  /** Where criu finds what the runtime does not tell it. */
  static Path options(ContainerPlan container) {
    return container.directory().resolve("criu.conf");
  }

  /**
   * Writes what the runtime does not tell criu.
   *
   * @param checkpoint what is restored
   * @param cgroup the control group of the container's unit, from the root of the hierarchy
   */
  void writeOptions(ContainerPlan container, Path checkpoint, String cgroup) {
    List<String> options = new ArrayList<>(List.of("tcp-close"));
    // the unified hierarchy's name is empty, which means all of them; of others the last one holds
    options.add("cgroup-root :" + cgroup);
    otherHierarchies().forEach(name -> options.add("cgroup-root %s:/".formatted(name)));
    SandboxNamespaces.pins(container.sandbox())
        .forEach((kind, pin) -> {
          if (kind == Namespaces.Kind.IPC || kind == Namespaces.Kind.UTS) {
            options.add("join-ns %s:%s".formatted(kind.file(), pin));
          }
        });
    container.security().maskedPaths().stream()
        .filter(path -> PLAIN.matcher(path).matches())
        .filter(path -> Files.exists(Path.of(path)) && !Files.isDirectory(Path.of(path)))
        .forEach(path -> options.add("external mnt[%s]:/dev/null".formatted(path)));
    List<String> descriptors = descriptors(checkpoint.resolve(IMAGES).resolve(DESCRIPTORS));
    IntStream.range(0, descriptors.size())
        .filter(descriptor -> OUTSIDE.matcher(descriptors.get(descriptor)).matches())
        .forEach(descriptor ->
            options.add("inherit-fd fd[%d]:%s".formatted(descriptor, descriptors.get(descriptor))));
    OciStage1.write(
        options(container), (String.join("\n", options) + "\n").getBytes(StandardCharsets.UTF_8));
  }

  /** Hierarchies of version 1 that the kernel has beside the unified one: nothing is in them. */
  private static List<String> otherHierarchies() {
    try {
      return Files.readAllLines(Path.of("/proc/self/cgroup")).stream()
          .map(line -> line.split(":", 3))
          .filter(fields -> fields.length == 3 && !fields[1].isEmpty())
          .map(fields -> fields[1])
          .toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read /proc/self/cgroup: " + StageletException.reason(failure),
          failure);
    }
  }

  private List<String> descriptors(Path file) {
    try {
      JsonNode array = json.readTree(Files.readAllBytes(file));
      List<String> descriptors = new ArrayList<>();
      array.forEach(item -> descriptors.add(item.asText()));
      return descriptors.stream().limit(3).toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "the checkpoint does not say what its first descriptors were: "
              + StageletException.reason(failure),
          failure);
    }
  }

  /** The last errors in a log of criu's; empty when there are none. */
  static String complaints(Path log) {
    try (Stream<String> lines = Files.lines(log)) {
      List<String> errors =
          lines
              .filter(line -> line.contains("Error "))
              // it tries to have more descriptors, and does with what it may have
              .filter(line -> !line.contains("RLIMIT_NOFILE"))
              .map(line -> line.replaceFirst("^\\([0-9.]+\\) +", ""))
              .toList();
      return String.join(
          "; ", errors.subList(Math.max(0, errors.size() - COMPLAINTS), errors.size()));
    } catch (IOException | java.io.UncheckedIOException unreadable) {
      return "";
    }
  }

  /** The words of criu after those of the runtime that ran it, if it had any. */
  static String withComplaints(String words, Optional<Path> log) {
    String more = log.map(Criu::complaints).orElse("");
    return more.isEmpty() ? words : words.isEmpty() ? more : words + "; criu says: " + more;
  }
}
