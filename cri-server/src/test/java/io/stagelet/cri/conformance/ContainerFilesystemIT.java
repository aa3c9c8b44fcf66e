package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.Mount;
import io.stagelet.cri.v1.MountPropagation;
import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a container sees of files: its image, its own layer over it, and what is mounted into it.
 */
@AlsoOnNspawn
class ContainerFilesystemIT extends ConformanceSuite {
  @TempDir private Path host;

  ContainerFilesystemIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void upperLayersHideReplaceAndLinkWhatLowerOnesHave() {
    TestContainer container = sharedPod().container(images().layered()).idle().start();

    assertThat(container.execText("cat", "/data/kept")).isEqualTo("kept");
    assertThat(container.exec("cat", "/data/hidden").getExitCode()).isNotZero();
    assertThat(container.execText("cat", "/data/replaced")).isEqualTo("new");
    assertThat(container.execText("cat", "/data/hardlink")).isEqualTo("new");
    assertThat(container.execText("readlink", "/data/symlink")).isEqualTo("kept");
    assertThat(container.execText("ls", "-A", "/full")).isEqualTo("upper");
    assertThat(container.execText("ls", "-A", "/data").lines())
        .noneMatch(name -> name.startsWith(".wh."));
  }

  @Test
  void ownersAndModesAreTheImages() {
    TestContainer container = sharedPod().container(images().layered()).idle().start();

    assertThat(container.execText("stat", "-c", "%u:%g %a", "/data/owned"))
        .isEqualTo("1234:2345 640");
    assertThat(container.execText("stat", "-c", "%u:%g %a", "/data/setuid")).isEqualTo("0:0 4755");
    assertThat(container.execText("stat", "-c", "%a", "/data")).isEqualTo("750");
    assertThat(container.execText("stat", "-c", "%a", "/tmp")).isEqualTo("1777");
    assertThat(container.execText("stat", "-c", "%Y", "/data/kept")).isEqualTo("1700000000");
  }

  @Test
  void whatOneContainerWritesNoOtherSees() {
    TestContainer one = sharedPod().idleContainer();
    TestContainer other = sharedPod().idleContainer();

    one.execText("sh", "-c", "echo mine > /written; echo changed >> /etc/passwd; rm /etc/group");

    assertThat(one.execText("cat", "/written")).isEqualTo("mine");
    assertThat(other.exec("cat", "/written").getExitCode()).isNotZero();
    assertThat(other.execText("cat", "/etc/passwd")).doesNotContain("changed");
    assertThat(other.execText("cat", "/etc/group")).contains("root");
  }

  @Test
  void aReadOnlyRootIsNotWrittenTo() {
    ContainerBuilder builder = sharedPod().container().mount(host, "/data", false).idle();
    builder.securityContext().setReadonlyRootfs(true);

    TestContainer container = builder.start();

    assertThat(container.exec("touch", "/written").getExitCode()).isNotZero();
    assertThat(container.exec("touch", "/data/written").getExitCode()).isZero();
    assertThat(container.exec("touch", "/dev/shm/written").getExitCode()).isZero();
  }

  @Test
  void aMountIsSharedWithTheNode() throws IOException {
    Files.writeString(host.resolve("from-node"), "node");

    TestContainer container = sharedPod().container().idle().mount(host, "/data", false).start();
    container.execText("sh", "-c", "echo container > /data/from-container");

    assertThat(container.execText("cat", "/data/from-node")).isEqualTo("node");
    assertThat(host.resolve("from-container")).hasContent("container");
  }

  @Test
  void aVolumeThatAPodHadNotReachesItsLaterContainers() throws IOException {
    TestPod pod = pods().run();
    TestContainer first = pod.idleContainer();
    Path volume = Files.createDirectory(host.resolve("late"));
    Command.of("mount", "-t", "tmpfs", "--make-shared", "tmpfs", volume.toString()).runChecked();
    try {
      Files.writeString(volume.resolve("file"), "late");
      TestContainer second =
          pod.container()
              .idle()
              .with(config ->
                  config.addMounts(
                      Mount.newBuilder()
                          .setHostPath(volume.toString())
                          .setContainerPath("/late")
                          .setPropagation(MountPropagation.PROPAGATION_HOST_TO_CONTAINER)))
              .start();
      Path inner = Files.createDirectory(volume.resolve("inner"));
      Command.of("mount", "-t", "tmpfs", "tmpfs", inner.toString()).runChecked();
      Files.writeString(inner.resolve("file"), "later");

      assertThat(second.execText("cat", "/late/file")).isEqualTo("late");
      assertThat(second.execText("cat", "/late/inner/file")).isEqualTo("later");
      assertThat(first.exec("ls", "/late").getExitCode()).isNotZero();
    } finally {
      // as kubelet does while the pod's other containers run on
      Command.of("umount", "--recursive", volume.toString()).runChecked();
    }
  }

  @Test
  void aProgramOnAVolumeIsRun() {
    TestContainer container =
        sharedPod()
            .container()
            .mount(Path.of("/usr/bin"), "/tools", true)
            .command("/tools/busybox", "sleep", "1000000")
            .start();

    assertThat(container.execText("/tools/busybox", "echo", "from a volume"))
        .isEqualTo("from a volume");
  }

  @Test
  void aReadOnlyMountIsNotWrittenTo() throws IOException {
    Files.writeString(host.resolve("file"), "node");

    TestContainer container = sharedPod().container().idle().mount(host, "/data", true).start();

    assertThat(container.execText("cat", "/data/file")).isEqualTo("node");
    assertThat(container.exec("touch", "/data/written").getExitCode()).isNotZero();
    assertThat(container.exec("sh", "-c", "echo x > /data/file").getExitCode()).isNotZero();
  }

  @Test
  void aSingleFileIsMounted() throws IOException {
    Path file = Files.writeString(host.resolve("file"), "node");

    TestContainer container =
        sharedPod().container().idle().mount(file, "/etc/deep/er/mounted", true).start();

    assertThat(container.execText("cat", "/etc/deep/er/mounted")).isEqualTo("node");
  }

  @Test
  void aMountHidesWhatTheImageHasThere() {
    TestContainer container =
        sharedPod().container(images().layered()).idle().mount(host, "/data", false).start();

    assertThat(container.execText("ls", "-A", "/data")).isEmpty();
  }

  @Test
  void aMountInsideAMountIsOverIt() throws IOException {
    Path outer = Files.createDirectory(host.resolve("outer"));
    Path inner = Files.createDirectory(host.resolve("inner"));
    Files.createDirectory(outer.resolve("inside"));
    Files.writeString(inner.resolve("file"), "inner");

    // the inner one is named first, so the order is the runtime's to find
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .mount(inner, "/data/inside", false)
            .mount(outer, "/data", false)
            .start();

    assertThat(container.execText("cat", "/data/inside/file")).isEqualTo("inner");
  }

  @Test
  void aSymbolicLinkOfTheNodeIsFollowed() throws IOException {
    Path target = Files.createDirectory(host.resolve("target"));
    Files.writeString(target.resolve("file"), "behind the link");
    Path link = Files.createSymbolicLink(host.resolve("link"), target);

    TestContainer container = sharedPod().container().idle().mount(link, "/data", true).start();

    assertThat(container.execText("cat", "/data/file")).isEqualTo("behind the link");
  }

  @Test
  void aPathThatTheNodeDoesNotHaveIsMadeAFolder() {
    Path missing = host.resolve("missing");

    TestContainer container = sharedPod().container().idle().mount(missing, "/data", false).start();

    assertThat(container.exec("touch", "/data/file").getExitCode()).isZero();
    assertThat(missing.resolve("file")).exists();
  }

  @Test
  void theStatusListsTheMountsAsAskedFor() {
    TestContainer container =
        sharedPod()
            .container()
            .idle()
            .mount(host, "/data", false)
            .mount(host, "/data-read-only", true)
            .create();

    assertThat(container.status().getMountsList())
        .extracting(Mount::getContainerPath, Mount::getHostPath, Mount::getReadonly)
        .contains(
            org.assertj.core.api.Assertions.tuple("/data", host.toString(), false),
            org.assertj.core.api.Assertions.tuple("/data-read-only", host.toString(), true));
  }

  @Test
  void nothingMountedIsLeftOnTheNodeOrEmptiedWhenTheContainerIsRemoved() throws IOException {
    Files.writeString(host.resolve("file"), "precious");
    TestContainer container = sharedPod().container().idle().mount(host, "/data", false).start();

    container.remove();

    assertThat(host.resolve("file")).hasContent("precious");
  }
}
