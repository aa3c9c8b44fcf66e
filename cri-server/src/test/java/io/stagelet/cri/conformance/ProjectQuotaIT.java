package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.ContainerStatsRequest;
import io.stagelet.cri.v1.FilesystemUsage;
import io.stagelet.linux.Command;
import io.stagelet.linux.FilesystemFlush;
import io.stagelet.linux.ProjectQuota;
import io.stagelet.linux.TreeUsage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What containers write, as a filesystem tells it that counts by project. The test mounts one where
 * Stagelet keeps containers: it wants a kernel with loop devices and the quota format 2 ({@code
 * CONFIG_QFMT_V2}), as a machine of kind uml has it.
 */
@Tag(LimitsIT.ENFORCED)
class ProjectQuotaIT extends ConformanceSuite {
  private static final Duration CALL = Duration.ofSeconds(30);
  private static final long MEGABYTE = 1 << 20;

  /** What a directory, or what overlayfs keeps in its work directory, may take beside it. */
  private static final long SMALL = 128 * 1024;

  private Path disk = Path.of("/nonexistent");

  ProjectQuotaIT(NodeUnderTest node) {
    super(node);
  }

  @BeforeEach
  void aDiskThatCountsByProject() throws IOException {
    stageletOnly("the test knows where Stagelet keeps what a container writes");
    Command.of("modprobe", "--all", "loop", "quota_v2").runChecked();
    disk = Files.createTempFile(Path.of("/var/tmp"), "quota", ".img");
    Command.of("truncate", "--size=64M", disk.toString()).runChecked();
    Command.of(
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-O",
            "project,quota",
            "-E",
            "quotatype=prjquota",
            disk.toString())
        .runChecked();
    Command.of("mount", "-o", "loop,prjquota", disk.toString(), containers().toString())
        .runChecked();
  }

  @AfterEach
  void theDiskIsTakenAway() throws IOException {
    if (!(node().runtime() instanceof StageletRuntime)) {
      return; // the test was aborted before there was one
    }
    pods().removeAll();
    Command.of("umount", containers().toString()).runChecked();
    Files.delete(disk);
  }

  private Path containers() {
    return ((StageletRuntime) node().runtime()).records("containers");
  }

  @Test
  void whatAContainerWritesIsCountedAndItsNeighboursIsNot() {
    TestPod pod = pods().run();
    TestContainer one = pod.idleContainer();
    TestContainer other = pod.idleContainer();
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
    TestContainer container = pods().run().idleContainer();
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
    return containers().resolve(container.id()).resolve("upper");
  }
}
