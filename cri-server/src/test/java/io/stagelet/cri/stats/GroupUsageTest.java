package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the files of a control group say. */
class GroupUsageTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

  @TempDir private Path group;

  private void file(String name, String text) throws IOException {
    Files.writeString(group.resolve(name), text);
  }

  private GroupUsage read(GroupUsage.Detail detail) {
    return GroupUsage.read(new KernelFiles(), group, detail, NOW);
  }

  @Test
  void allControllersAreRead() throws IOException {
    file(
        "cpu.stat",
        "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnr_periods 7\nnr_throttled 2\nthrottled_usec 900\n");
    file(
        "cpu.pressure",
        "some avg10=1.50 avg60=2.00 avg300=0.25 total=4000000\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=1000000\n");
    file("memory.current", "1000\n");
    file("memory.max", "4000\n");
    file(
        "memory.stat",
        "anon 300\nfile 600\nkernel 50\nfile_mapped 20\ninactive_file 400\nactive_file 200\npgfault 11\npgmajfault 3\n");
    file("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n");
    file("memory.swap.current", "70\n");
    file("memory.swap.max", "max\n");
    file("pids.current", "5\n");
    file("pids.max", "100\n");
    file("io.stat", "8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n");

    GroupUsage usage = read(GroupUsage.Detail.METRICS);

    assertThat(usage.at()).isEqualTo(NOW);
    assertThat(usage.cpu())
        .isEqualTo(
            new GroupUsage.Cpu(
                5_000_000,
                3_000_000,
                2_000_000,
                7,
                2,
                900,
                new Pressure(
                    new Pressure.Stall(1.5, 2, 0.25, 4_000_000),
                    new Pressure.Stall(0.5, 0, 0, 1_000_000))));
    assertThat(usage.memory().workingSet()).isEqualTo(600);
    assertThat(usage.memory().available()).hasValue(3400);
    assertThat(usage.memory().anonymous()).isEqualTo(300);
    assertThat(usage.memory().faults()).isEqualTo(11);
    assertThat(usage.memory().majorFaults()).isEqualTo(3);
    assertThat(usage.memory().limitHits()).isEqualTo(9);
    assertThat(usage.memory().outOfMemoryKills()).isEqualTo(1);
    assertThat(usage.swap()).isEqualTo(new GroupUsage.Swap(70, OptionalLong.empty()));
    assertThat(usage.tasks())
        .isEqualTo(new GroupUsage.Tasks(OptionalLong.of(5), OptionalLong.of(100)));
    assertThat(usage.io().devices()).containsExactly(new GroupUsage.Device(8, 16, 10, 20, 1, 2));
  }

  @Test
  void aGroupThatIsNotThereUsesNothing() {
    GroupUsage usage =
        GroupUsage.read(new KernelFiles(), group.resolve("gone"), GroupUsage.Detail.METRICS, NOW);

    assertThat(usage).isEqualTo(GroupUsage.none(NOW));
  }

  @Test
  void withoutALimitNothingIsSaidToBeAvailable() throws IOException {
    file("memory.current", "1000\n");
    file("memory.max", "max\n");

    assertThat(read(GroupUsage.Detail.STATS).memory().available()).isEmpty();
  }

  @Test
  void aWorkingSetIsNeverNegative() throws IOException {
    file("memory.current", "100\n");
    file("memory.stat", "inactive_file 400\n");

    assertThat(read(GroupUsage.Detail.STATS).memory().workingSet()).isZero();
  }

  @Test
  void rubbishReadsAsZero() throws IOException {
    file("cpu.stat", "usage_usec many\n\nnothing\n");
    file("cpu.pressure", "some avg10=x total=\nfull\n");
    file("io.stat", "8:0\n:\nrbytes=1\n");

    GroupUsage usage = read(GroupUsage.Detail.METRICS);

    assertThat(usage.cpu()).isEqualTo(GroupUsage.none(NOW).cpu());
    assertThat(usage.io().devices()).containsExactly(new GroupUsage.Device(8, 0, 0, 0, 0, 0));
  }

  @Test
  void theGreatestNumbersAndNoneAtAllAreTold() throws IOException {
    file("memory.current", "18446744073709551615\n");
    file("memory.max", "max\n");
    file("memory.events", "max 9223372036854775807\noom_kill 99999999999999999999\n");

    GroupUsage.Memory memory = read(GroupUsage.Detail.STATS).memory();

    assertThat(memory.current()).isEqualTo(-1); // as the kernel's unsigned number
    assertThat(memory.limit()).isEmpty();
    assertThat(memory.limitHits()).isEqualTo(Long.MAX_VALUE);
    assertThat(memory.outOfMemoryKills()).isZero();
  }

  @Test
  void statisticsTakeTwelveReadsAtMost() throws IOException {
    file("memory.current", "1000\n");
    file("memory.swap.current", "0\n");
    KernelFiles files = new KernelFiles();

    GroupUsage.read(files, group, GroupUsage.Detail.STATS, NOW);

    assertThat(files.reads()).isLessThanOrEqualTo(12);
  }

  @Test
  void withoutControllersEvenFewerAreNeeded() {
    KernelFiles files = new KernelFiles();

    GroupUsage.read(files, group, GroupUsage.Detail.STATS, NOW);

    assertThat(files.reads()).isLessThanOrEqualTo(7);
  }

  @Test
  void containersAddUpToTheirPod() throws IOException {
    file("cpu.stat", "usage_usec 5\n");
    file("memory.current", "1000\n");
    file("pids.current", "2\n");
    GroupUsage one = read(GroupUsage.Detail.STATS);

    GroupUsage both = one.plus(one).plus(GroupUsage.none(NOW));

    assertThat(both.cpu().usageMicroseconds()).isEqualTo(10);
    assertThat(both.memory().current()).isEqualTo(2000);
    assertThat(both.tasks().current()).hasValue(4);
  }
}
