package io.stagelet.stage1.oci;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.Command;
import io.stagelet.stage0.spi.ContainerPlan.Resources;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DelegatedFilesTest {
  @TempDir private Path root;

  private static final Limits LIMITS =
      Limits.of(
          new Resources(
              0, 0, 0, 0, 0, "", "", 0, Map.of("2MB", 0L), Map.of("memory.oom.group", "1")));

  @Test
  void aControllerThatSystemdDoesNotKnowIsSwitchedOnAllTheWayDown() throws IOException {
    Files.writeString(root.resolve("cgroup.controllers"), "cpu memory hugetlb\n");
    Path group = root.resolve("a.slice/a-b.slice/ctr.service");

    assertThat(new DelegatedFiles(root).lines(group, LIMITS))
        .containsExactly(
            root.resolve("cgroup.subtree_control") + " +hugetlb",
            root.resolve("a.slice/cgroup.subtree_control") + " +hugetlb",
            root.resolve("a.slice/a-b.slice/cgroup.subtree_control") + " +hugetlb",
            group.resolve("hugetlb.2MB.max") + " 0",
            group.resolve("hugetlb.2MB.rsvd.max") + " 0",
            group.resolve("memory.oom.group") + " 1");
  }

  @Test
  void hugePagesAreNotLimitedWhereTheKernelCannot() throws IOException {
    Files.writeString(root.resolve("cgroup.controllers"), "cpu memory\n");
    Path group = root.resolve("a.slice/ctr.service");

    assertThat(new DelegatedFiles(root).lines(group, LIMITS))
        .containsExactly(group.resolve("memory.oom.group") + " 1");
  }

  @Test
  void whatKubeletNamesForEachContainerIsNotWrittenWhereThereIsNoMemoryController()
      throws IOException {
    Files.writeString(root.resolve("cgroup.controllers"), "\n");
    Path group = root.resolve("a.slice/ctr.service");
    Limits asked =
        Limits.of(
            new Resources(
                0,
                0,
                0,
                0,
                0,
                "",
                "",
                0,
                Map.of(),
                Map.of("memory.oom.group", "1", "misc.max", "a 1")));

    assertThat(new DelegatedFiles(root).lines(group, asked))
        .noneMatch(line -> line.contains("memory.oom.group"))
        .contains(group.resolve("misc.max") + " a 1");
  }

  @Test
  void theLinesAreWrittenBeforeTheCommandRuns() throws IOException {
    Path file = root.resolve("file");
    Path lines = Files.writeString(root.resolve("lines"), file + " a 1\n" + file + " b 2\n");
    Path complaints = root.resolve("complaints");

    Command.Outcome outcome =
        Command.of(DelegatedFiles.before(List.of("/bin/cat", file.toString()), lines, complaints))
            .run();

    assertThat(outcome.text()).isEqualTo("b 2\n");
    assertThat(outcome.exitCode()).isZero();
    assertThat(complaints).isEmptyFile();
  }

  @Test
  void aLineThatIsRefusedIsToldAndTheCommandDoesNotRun() throws IOException {
    Path lines = Files.writeString(root.resolve("lines"), root.resolve("no/file") + " 1\n");
    Path complaints = root.resolve("complaints");

    Command.Outcome outcome =
        Command.of(DelegatedFiles.before(List.of("/bin/echo", "ran"), lines, complaints)).run();

    assertThat(outcome.exitCode()).isNotZero();
    assertThat(outcome.text()).isEmpty();
    assertThat(complaints).content().contains("no/file");
  }
}
