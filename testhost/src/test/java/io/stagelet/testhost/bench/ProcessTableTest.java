package io.stagelet.testhost.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessTableTest {
  @Test
  void readsArgumentsAndProportionalSetSizes(@TempDir Path proc) throws IOException {
    process(proc, 7, "/usr/bin/shim\0-id\0x\0", "Rss: 900 kB\nPss:      250 kB\nPss_Anon: 9 kB\n");
    process(proc, 8, "", "");
    Files.createDirectory(proc.resolve("self"));

    assertThat(ProcessTable.read(proc).processes())
        .containsExactlyEntriesOf(Map.of(7L, new ProcessTable.Entry("/usr/bin/shim -id x", 250)));
  }

  @Test
  void theTableOfThisMachineHasThisProcess() {
    assertThat(ProcessTable.now().processes()).containsKey(ProcessHandle.current().pid());
  }

  @Test
  void newProcessesCountInFullAndOldOnesByTheirGrowth() {
    ProcessTable before = table(1, "/sbin/init", 10, 2, "journald", 20);
    ProcessTable after =
        new ProcessTable(
            Map.of(
                1L, new ProcessTable.Entry("/sbin/init", 13),
                2L, new ProcessTable.Entry("journald", 25),
                3L, new ProcessTable.Entry("/usr/bin/shim a", 40),
                4L, new ProcessTable.Entry("/usr/bin/shim b", 50),
                5L, new ProcessTable.Entry("/load", 1000)));

    ProcessTable.Growth growth =
        after.since(before, process -> process.getValue().command().equals("/load"));

    assertThat(growth).isEqualTo(new ProcessTable.Growth(90, Map.of("shim", 2L), 3, 5));
    assertThat(growth.totalKilobytes()).isEqualTo(98);
  }

  @Test
  void whatShrankDoesNotPayForTheRuntime() {
    ProcessTable before = table(1, "/sbin/init", 10, 2, "journald", 20);
    ProcessTable after = table(1, "/sbin/init", 9, 2, "journald", 2);
    assertThat(after.since(before, _ -> false).totalKilobytes()).isZero();
  }

  private static ProcessTable table(
      long pid, String command, long pss, long otherPid, String otherCommand, long otherPss) {
    return new ProcessTable(
        Map.of(
            pid,
            new ProcessTable.Entry(command, pss),
            otherPid,
            new ProcessTable.Entry(otherCommand, otherPss)));
  }

  private static void process(Path proc, long pid, String arguments, String smaps)
      throws IOException {
    Path folder = Files.createDirectory(proc.resolve(Long.toString(pid)));
    Files.writeString(folder.resolve("cmdline"), arguments);
    Files.writeString(folder.resolve("smaps_rollup"), smaps);
  }
}
