package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.stagelet.linux.Command;
import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.FilesystemFlush;
import io.stagelet.linux.ProjectQuota;
import io.stagelet.linux.TreeUsage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Containers' changes on an ext4 that counts by project. Wants a kernel with loop devices and the
 * quota format 2 ({@code CONFIG_QFMT_V2}); user-mode Linux has them: {@code
 * STAGELET_TEST_KIND=uml}. {@code testhost/bin/java} makes the disk.
 */
@Timeout(120)
class ProjectQuotaIT {
  private static final int MEGABYTE = 1 << 20;

  @TempDir(factory = OnDisk.class)
  Path directory;

  private Path disk;
  private TestRegistry registry;
  private ImageService images;
  private RootFilesystems roots;

  @BeforeEach
  void start() throws IOException {
    // modules, where the kernel has them as such
    Command.Outcome _ = Command.of("modprobe", "--all", "--quiet", "loop", "quota_v2").run();
    Path made = Path.of(System.getenv().getOrDefault("STAGELET_TEST_DISK", "/nonexistent"));
    assumeTrue(
        Files.exists(made),
        "there is no disk with project quotas: testhost/bin/java makes it, with mke2fs");
    Path image = Files.copy(made, directory.resolve("disk.img"));
    disk = Files.createDirectory(directory.resolve("disk"));
    Command.Outcome mounted =
        Command.of("mount", "-o", "loop,prjquota", image.toString(), disk.toString()).run();
    assumeTrue(
        mounted.exitCode() == 0,
        () ->
            "this kernel mounts no ext4 with project quotas on a loop device: "
                + mounted.complaint());
    registry = new TestRegistry();
    images =
        new ImageService(
            directory.resolve("store"),
            ImageSettings.defaults(),
            Registries.of(RegistryEndpoints.named(Set.of())),
            Clock.systemUTC());
    roots = images.rootFilesystems();
  }

  @AfterEach
  void stop() {
    if (images != null) {
      roots.targets().forEach(roots::unmount);
      images.close();
      registry.close();
      Command.Outcome _ = Command.of("umount", disk.toString()).runChecked();
    }
  }

  private Path mounted(Image image, String name) {
    Path target = directory.resolve(name);
    roots.mount(image, target, disk.resolve(name + "/upper"), disk.resolve(name + "/work"));
    return target;
  }

  private ConfinedTree.Room usage(String name) {
    Path upper = disk.resolve(name + "/upper");
    // what is written may still be without blocks
    FilesystemFlush.of(upper);
    return roots.usage(upper);
  }

  @Test
  void theFilesystemCountsWhatAContainerWritesAndAgreesWithAWalk() throws IOException {
    Image image =
        images.pull(
            new TestImage(
                    List.of(new TarBuilder().file("there", "before").directory("below").build()))
                .push(registry, "a/b", "1"),
            Credentials.none(),
            PullListener.NONE);
    Path one = mounted(image, "one");
    Path other = mounted(image, "other");
    assertThat(ProjectQuota.usage(disk.resolve("one/upper"))).isPresent();
    long empty = usage("one").bytes();

    Files.write(one.resolve("new"), new byte[3 * MEGABYTE]);
    Files.write(one.resolve("below/deep"), new byte[MEGABYTE]);
    Files.writeString(one.resolve("there"), "after");
    Files.write(other.resolve("others"), new byte[5 * MEGABYTE]);

    Path upper = disk.resolve("one/upper");
    assertThat(usage("one").bytes() - empty).isBetween(4L * MEGABYTE, 4L * MEGABYTE + 64 * 1024);
    // upper and work, and what overlayfs keeps in work, are in the project too: a few of 4 KiB
    ConfinedTree.Room walked = TreeUsage.of(upper);
    assertThat(usage("one").bytes() - walked.bytes()).isBetween(0L, 64L * 1024);
    assertThat(usage("one").inodes() - walked.inodes()).isBetween(0L, 4L);
    assertThat(usage("other").bytes()).isGreaterThanOrEqualTo(5L * MEGABYTE);

    Files.delete(one.resolve("new"));
    assertThat(usage("one").bytes() - empty).isLessThan(2L * MEGABYTE);
  }

  @Test
  void itIsTheFilesystemThatCountsAndNotAWalk() throws IOException {
    Image image =
        images.pull(
            new TestImage(List.of(new TarBuilder().file("f", "x").build()))
                .push(registry, "a/b", "1"),
            Credentials.none(),
            PullListener.NONE);
    Path root = mounted(image, "one");
    Path upper = disk.resolve("one/upper");
    Files.write(root.resolve("kept"), new byte[2 * MEGABYTE]);
    ConfinedTree.Room counted = usage("one");

    // in the project by inheritance, and moved to where a walk of upper does not come
    Files.move(upper.resolve("kept"), disk.resolve("one/work/kept"));

    assertThat(usage("one").bytes()).isEqualTo(counted.bytes());
    assertThat(TreeUsage.of(upper).bytes()).isLessThan(MEGABYTE);
  }
}
