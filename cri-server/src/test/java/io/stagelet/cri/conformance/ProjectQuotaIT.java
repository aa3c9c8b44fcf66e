package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.ContainerStatsRequest;
import io.stagelet.cri.v1.FilesystemUsage;
import io.stagelet.linux.FilesystemFlush;
import io.stagelet.linux.ProjectQuota;
import io.stagelet.linux.TreeUsage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What containers write, as a filesystem tells it that counts by project: {@code /var} of a machine
 * of kind uml is one.
 */
@Tag(LimitsIT.ENFORCED)
class ProjectQuotaIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);
  private static final long MEGABYTE = 1 << 20;

  /** What a directory, or what overlayfs keeps in its work directory, may take beside it. */
  private static final long SMALL = 128 * 1024;

  ProjectQuotaIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void onlyOurs() {
    stageletOnly("the test knows where Stagelet keeps what a container writes");
  }

  @Test
  void whatAContainerWritesIsCountedAndItsNeighboursIsNot() {
    TestContainer one = sharedPod().idleContainer();
    TestContainer other = sharedPod().idleContainer();
    assertThat(ProjectQuota.usage(upper(one))).isPresent();
    long empty = usage(one).getUsedBytes().getValue();

    write(one, "/one", 3 * MEGABYTE);
    one.execText("sh", "-c", "mkdir -p /below/deep; touch /below/deep/a /below/deep/b");
    write(other, "/other", 5 * MEGABYTE);

    assertThat(usage(one).getUsedBytes().getValue() - empty)
        .isBetween(3 * MEGABYTE, 3 * MEGABYTE + SMALL);
    assertThat(usage(other).getUsedBytes().getValue())
        .isBetween(5 * MEGABYTE, 5 * MEGABYTE + SMALL);
    assertThat(usage(one).getUsedBytes().getValue() - TreeUsage.of(upper(one)).bytes())
        .as("counted by the filesystem, beside a walk")
        .isBetween(0L, SMALL);
    assertThat(usage(one).getInodesUsed().getValue() - TreeUsage.of(upper(one)).inodes())
        .isBetween(0L, 8L);

    one.execText("rm", "/one");

    assertThat(usage(one).getUsedBytes().getValue() - empty).isLessThan(SMALL);
  }

  @Test
  void itIsNotAWalkThatCounts() throws IOException {
    TestContainer container = sharedPod().idleContainer();
    write(container, "/kept", 2 * MEGABYTE);

    // in the project still, and where a walk does not come
    Files.move(upper(container).resolve("kept"), upper(container).resolveSibling("work/kept"));

    assertThat(usage(container).getUsedBytes().getValue()).isGreaterThanOrEqualTo(2 * MEGABYTE);
    assertThat(TreeUsage.of(upper(container)).bytes()).isLessThan(SMALL);
  }

  private static void write(TestContainer container, String file, long bytes) {
    container.execText("sh", "-c", "head -c %d /dev/urandom > %s".formatted(bytes, file));
  }

  private FilesystemUsage usage(TestContainer container) {
    FilesystemFlush.of(upper(container)); // what is written may still be without blocks
    return cri()
        .runtime(CALL)
        .containerStats(ContainerStatsRequest.newBuilder().setContainerId(container.id()).build())
        .getStats()
        .getWritableLayer();
  }

  private Path upper(TestContainer container) {
    return ((StageletRuntime) node().runtime())
        .records("containers")
        .resolve(container.id())
        .resolve("upper");
  }
}
