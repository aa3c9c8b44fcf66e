package io.stagelet.cri.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.FilesystemSpace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The metrics, their values, and what is written of them. */
class ContainerMetricTest {
  private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

  @TempDir private Path group;

  @Test
  void usersCanReadUpEveryMetric() throws IOException {
    String document = Files.readString(Path.of("../docs/metrics.md"));

    assertThat(Arrays.stream(ContainerMetric.values()).map(ContainerMetric::metricName))
        .allSatisfy(name -> assertThat(document).contains("`" + name + "`"));
  }

  @Test
  void everyMetricHasAValueInAPodWithANetworkADiskAndHugePages() throws IOException {
    Files.writeString(group.resolve("io.stat"), "8:16 rbytes=10 wbytes=20 rios=1 wios=2\n");
    Files.writeString(group.resolve("hugetlb.2MB.current"), "4\n");
    KernelFiles files = new KernelFiles();
    NetworkInterface.Direction some = new NetworkInterface.Direction(1, 2, 3, 4);

    List<ContainerMetric.Value> values =
        new MetricValues()
            .usage(GroupUsage.read(files, group, GroupUsage.Detail.METRICS, NOW), 0)
            .network(List.of(new NetworkInterface("eth0", some, some)))
            .disk(
                Optional.of(new WritableLayers.Room(1, 2, NOW)),
                new FilesystemSpace(1, 2, 3, 4),
                "/dev/sda")
            .processes(
                new ProcessUsage(1, 2, 3, 4, OptionalLong.of(5)),
                new GroupUsage.Tasks(OptionalLong.empty(), OptionalLong.empty()))
            .hugePages(MetricValues.HugePages.read(files, group, new MetricValues.HugePagePeaks()))
            .allowed(new MetricValues.Allowed(1, 2, 3, 4, -5), NOW, NOW)
            .values();

    Set<ContainerMetric> present =
        values.stream().map(ContainerMetric.Value::metric).collect(Collectors.toSet());
    assertThat(present).containsExactlyInAnyOrder(ContainerMetric.values());
    assertThat(values)
        .contains(
            ContainerMetric.HUGETLB_USAGE_BYTES.of(4, "2MB"),
            ContainerMetric.THREADS.of(2),
            ContainerMetric.SPEC_MEMORY_SWAP_LIMIT_BYTES.of(0));
  }

  @Test
  void aValueHasAllLabelsOfItsMetric() {
    assertThat(ContainerMetric.HUGETLB_USAGE_BYTES.labels())
        .containsExactly("id", "name", "image", "namespace", "pod", "container", "pagesize");
    assertThatThrownBy(() -> ContainerMetric.HUGETLB_USAGE_BYTES.of(1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
