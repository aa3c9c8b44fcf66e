package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real mounts; needs root. */
class RootFilesystemsIT {
  private static final IdMappings MAPPINGS =
      new IdMappings(
          List.of(new IdMapping(0, 200_000, 65_536)), List.of(new IdMapping(0, 300_000, 65_536)));

  // not /tmp: a tmpfs takes no file capabilities on old kernels
  @TempDir(factory = OnDisk.class)
  Path directory;

  private TestRegistry registry;
  private ImageService images;
  private RootFilesystems roots;

  @BeforeEach
  void start() throws IOException {
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
    roots.targets().forEach(roots::unmount);
    images.close();
    registry.close();
  }

  private Image image(List<byte[]> layers) {
    return images.pull(
        new TestImage(layers).push(registry, "a/b", "1"), Credentials.none(), PullListener.NONE);
  }

  private Image image() {
    return image(
        List.of(
            new TarBuilder()
                .file("etc/conf/setting", "one")
                .symlink("out", "../../../etc")
                .symlink("absolute", "/etc/conf")
                .file("mine", "m")
                .build()));
  }

  private int uid(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:uid");
  }

  private int gid(Path file) throws IOException {
    return (int) Files.getAttribute(file, "unix:gid");
  }

  @Test
  void aSubPathIsMountedReadOnly() throws IOException {
    Path target = directory.resolve("volume");
    roots.mountReadOnly(image(), target, "etc/conf", Optional.empty());

    assertThat(Files.readString(target.resolve("setting"))).isEqualTo("one");
    assertThatThrownBy(() -> Files.writeString(target.resolve("new"), "x"))
        .hasMessageContaining("Read-only");
    assertThat(directory.resolve("store/staging")).isEmptyDirectory();
    roots.unmount(target);
    assertThat(target).isEmptyDirectory();
    assertThat(roots.targets()).isEmpty();
  }

  @Test
  void aSubPathMayBeAFileOrALinkAndNeverLeadsOutOfTheImage() throws IOException {
    Image image = image();
    Path file = directory.resolve("file");
    roots.mountReadOnly(image, file, "/etc/conf/setting", Optional.empty());
    Path linked = directory.resolve("linked");
    roots.mountReadOnly(image, linked, "absolute", Optional.empty());
    Path outside = directory.resolve("outside");
    roots.mountReadOnly(image, outside, "out", Optional.empty());

    assertThat(Files.readString(file)).isEqualTo("one");
    assertThat(Files.readString(linked.resolve("setting"))).isEqualTo("one");
    // the image's own /etc, not this machine's
    assertThat(outside.resolve("conf/setting")).exists();
    assertThat(outside.resolve("passwd")).doesNotExist();
  }

  @Test
  void aMissingSubPathIsAnErrorThatLeavesNothing() {
    Image image = image();
    Path target = directory.resolve("volume");

    assertThatThrownBy(() -> roots.mountReadOnly(image, target, "etc/nope", Optional.empty()))
        .hasMessageContaining("ImageVolumeMountFailed")
        .satisfies(e -> assertThat(((StageletException) e).code()).isEqualTo(ErrorCode.NOT_FOUND));
    assertThat(roots.targets()).isEmpty();
    assertThat(directory.resolve("store/staging")).isEmptyDirectory();
  }

  @Test
  void aMappedRootBelongsToTheNamespacesUsersAndTheStoreIsAsItWas() throws IOException {
    assertThat(roots.mapsIds()).isTrue();
    Path target = directory.resolve("root");
    Path upper = directory.resolve("upper");
    roots.mount(image(), target, upper, directory.resolve("work"), Optional.of(MAPPINGS));

    assertThat(uid(target.resolve("mine"))).isEqualTo(200_000);
    assertThat(gid(target.resolve("mine"))).isEqualTo(300_000);
    assertThat(uid(target)).isEqualTo(200_000);
    // copied up: as the namespace has it
    Files.writeString(target.resolve("mine"), "changed");
    assertThat(uid(target.resolve("mine"))).isEqualTo(200_000);
    assertThat(uid(upper.resolve("mine"))).isEqualTo(200_000);
    try (var all = Files.walk(directory.resolve("store/layers"))) {
      for (Path file : all.toList()) {
        assertThat(
                (int) Files.getAttribute(file, "unix:uid", java.nio.file.LinkOption.NOFOLLOW_LINKS))
            .isZero();
      }
    }
  }

  @Test
  void aMappedVolumeIsReadOnlyToo() throws IOException {
    Path target = directory.resolve("volume");
    roots.mountReadOnly(image(), target, "etc/conf", Optional.of(MAPPINGS));

    assertThat(uid(target.resolve("setting"))).isEqualTo(200_000);
    assertThatThrownBy(() -> Files.writeString(target.resolve("setting"), "x"))
        .hasMessageContaining("Read-only");
  }

  @Test
  void manyLayersMakeOneRoot() throws IOException {
    List<byte[]> layers = new ArrayList<>();
    for (int i = 0; i < 140; i++) {
      layers.add(new TarBuilder().file("layer" + i, "x").file("top", String.valueOf(i)).build());
    }
    Image image = image(layers);
    Path plain = directory.resolve("plain");
    Path mapped = directory.resolve("mapped");
    roots.mount(image, plain, directory.resolve("upper"), directory.resolve("work"));
    roots.mount(
        image,
        mapped,
        directory.resolve("upper2"),
        directory.resolve("work2"),
        Optional.of(MAPPINGS));

    for (Path target : List.of(plain, mapped)) {
      assertThat(Files.readString(target.resolve("top"))).isEqualTo("139");
      assertThat(target.resolve("layer0")).exists();
    }
  }
}
