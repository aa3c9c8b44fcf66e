package io.stagelet.cri.conformance;

import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What sandboxes and containers can leave behind on a node, as it was found at one moment.
 *
 * @param things one line for each: its kind and its name
 * @param folders the folders of the runtime, if they are known
 */
record Leftovers(Set<String> things, List<Path> folders) {
  private static final int SHORT_ID = 12;

  /** Where Stagelet keeps one folder for each sandbox and container. */
  private static final List<String> KEPT =
      List.of("sandboxes", "containers", "root/sandboxes", "root/containers");

  private static final Path CNI = Path.of("/var/lib/cni");

  Leftovers {
    things = Set.copyOf(things);
    folders = List.copyOf(folders);
  }

  /**
   * Looks at units, the control groups of pods, mounts (those that pin namespaces among them),
   * links, CNI's leases and results, and in the runtime's folders at what it keeps for each sandbox
   * and container, the state of the OCI runtimes among it.
   */
  static Leftovers onTheNode(List<Path> folders) {
    Set<String> found = new LinkedHashSet<>();
    lines("systemctl", "list-units", "--all", "--plain", "--no-legend", "pod-*", "ctr-*")
        .map(line -> line.split(" +", 2)[0])
        .forEach(unit -> found.add("unit " + unit));
    try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mountinfo"))) {
      mounts
          .filter(line -> line.contains(" - nsfs ") || isBelow(mountPoint(line), folders))
          .forEach(line -> found.add("mount " + mountPoint(line)));
    } catch (IOException failure) {
      throw new UncheckedIOException("could not read the mounts", failure);
    }
    lines("ip", "-oneline", "link", "show", "type", "veth")
        .map(line -> line.split(": ", 3)[1])
        .forEach(link -> found.add("link " + link));
    // whichever network the runtime has: a foreign one comes with its own
    Stream.concat(filesIn(CNI.resolve("networks")), Stream.of(CNI.resolve("results")))
        .flatMap(Leftovers::filesIn)
        .filter(file -> !file.endsWith("lock"))
        .filter(file -> !file.getFileName().toString().startsWith("last_reserved_ip"))
        .forEach(file -> found.add("CNI " + file));
    for (Path folder : folders) {
      KEPT.stream()
          .map(folder::resolve)
          .flatMap(Leftovers::filesIn)
          .forEach(kept -> found.add("kept " + kept));
      filesIn(folder.resolve("handlers"))
          .flatMap(Leftovers::filesIn)
          // crun has an empty directory there for all containers
          .filter(kept -> !kept.getFileName().toString().startsWith("."))
          .forEach(kept -> found.add("state " + kept));
    }
    return new Leftovers(found, folders);
  }

  /** What is here and was not there before. */
  Set<String> since(Leftovers before) {
    Set<String> more = new LinkedHashSet<>(things);
    more.removeAll(before.things);
    return more;
  }

  /** Files and folders of the runtime that carry the id of one of these sandboxes or containers. */
  Set<String> named(Collection<String> ids) {
    List<String> shortIds =
        ids.stream().map(id -> id.substring(0, Math.min(SHORT_ID, id.length()))).toList();
    Set<String> found = new LinkedHashSet<>();
    for (Path folder : folders) {
      try {
        Files.walkFileTree(folder, new Visitor(shortIds, found));
      } catch (IOException failure) {
        throw new UncheckedIOException("could not look through " + folder, failure);
      }
    }
    return found;
  }

  private static final class Visitor extends SimpleFileVisitor<Path> {
    private final List<String> shortIds;
    private final Set<String> found;

    Visitor(List<String> shortIds, Set<String> found) {
      this.shortIds = shortIds;
      this.found = found;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
      if (!carriesAnId(folder)) {
        return FileVisitResult.CONTINUE;
      }
      found.add("folder " + folder);
      return FileVisitResult.SKIP_SUBTREE;
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      if (carriesAnId(file)) {
        found.add("file " + file);
      }
      return FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException failure) {
      return FileVisitResult.CONTINUE; // gone since its folder was read
    }

    private boolean carriesAnId(Path path) {
      String name = path.getFileName().toString();
      return shortIds.stream().anyMatch(name::contains);
    }
  }

  private static Stream<String> lines(String... command) {
    return Command.of(command).runChecked().text().lines().filter(line -> !line.isBlank());
  }

  private static String mountPoint(String mountInfo) {
    return mountInfo.split(" ", 6)[4];
  }

  private static boolean isBelow(String mountPoint, List<Path> folders) {
    return folders.stream().anyMatch(folder -> Path.of(mountPoint).startsWith(folder));
  }

  private static Stream<Path> filesIn(Path folder) {
    if (!Files.isDirectory(folder)) {
      return Stream.empty();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return new ArrayList<>(files.toList()).stream();
    } catch (IOException failure) {
      throw new UncheckedIOException("could not look into " + folder, failure);
    }
  }
}
