package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The processes of a control group. */
class ProcessUsageTest {
  @TempDir private Path place;

  private Path group() throws IOException {
    Path group = Files.createDirectories(place.resolve("group/child.service"));
    Files.writeString(group.resolve("cgroup.procs"), "12\n");
    Files.writeString(group.resolveSibling("cgroup.procs"), "10\n11\n");
    return place.resolve("group");
  }

  private void process(int pid, int threads, String... descriptors) throws IOException {
    Path process = place.resolve("proc/" + pid);
    Files.createDirectories(process.resolve("fd"));
    for (int i = 0; i < descriptors.length; i++) {
      Files.createSymbolicLink(process.resolve("fd/" + i), Path.of(descriptors[i]));
    }
    for (int i = 0; i < threads; i++) {
      Files.createDirectories(process.resolve("task/" + (pid + i)));
    }
    Files.writeString(
        process.resolve("limits"),
        "Limit                     Soft Limit           Hard Limit           Units\n"
            + "Max open files            "
            + (1000 + pid)
            + "                 4096                 files\n");
  }

  @Test
  void allProcessesOfAllGroupsBelowAreLookedAt() throws IOException {
    Path group = group();
    process(10, 1, "/dev/null", "socket:[1]");
    process(11, 3, "pipe:[7]");
    process(12, 2, "socket:[2]", "socket:[3]");

    ProcessUsage usage = ProcessUsage.read(new KernelFiles(), group, place.resolve("proc"));

    assertThat(usage.processes()).isEqualTo(3);
    assertThat(usage.threads()).isEqualTo(6);
    assertThat(usage.descriptors()).isEqualTo(5);
    assertThat(usage.sockets()).isEqualTo(3);
    assertThat(usage.openFilesLimit()).hasValue(1010);
  }

  @Test
  void theyAreCountedWithoutLookingAtThem() throws IOException {
    assertThat(ProcessUsage.count(new KernelFiles(), group())).isEqualTo(3);
  }

  @Test
  void aGroupThatIsGoneHasNone() {
    assertThat(ProcessUsage.read(new KernelFiles(), place.resolve("gone"), place.resolve("proc")))
        .isEqualTo(ProcessUsage.NONE);
  }
}
