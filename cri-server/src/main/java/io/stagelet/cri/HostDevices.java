package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;

/** The device nodes of the host, for privileged containers. */
final class HostDevices {
  /** What a container has of its own, or what must not be shared. */
  private static final Set<String> LEFT_OUT =
      Set.of(
          "pts", "shm", "fd", "mqueue", "console", "ptmx", "full", "null", "random", "tty",
          "urandom", "zero");

  private HostDevices() {}

  /** Every device node below a directory, each at its own path. */
  static List<ContainerPlan.Device> all(Path directory) {
    List<ContainerPlan.Device> devices = new ArrayList<>();
    try {
      Files.walkFileTree(
          directory,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path visited, BasicFileAttributes attributes) {
              return leftOut(visited) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              // "other" is what is neither file, directory nor link: a socket or FIFO has no device
              // number
              if (attributes.isOther()
                  && !leftOut(file)
                  && !Objects.equals(Files.getAttribute(file, "unix:rdev"), 0L)) {
                devices.add(new ContainerPlan.Device(file, file.toString(), "rwm"));
              }
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException gone) {
              return FileVisitResult.CONTINUE;
            }

            private boolean leftOut(Path path) {
              return directory.equals(path.getParent())
                  && LEFT_OUT.contains(path.getFileName().toString());
            }
          });
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not list the devices in %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
    return devices;
  }
}
