package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Layers whose maker means harm: nothing gets out of their directory, and what is refused leaves
 * nothing. Broken headers are in {@link TarReaderTest}, huge manifests in {@link RegistryTest}.
 */
@Timeout(120)
class HostileLayersIT {
  private static final UnpackLimits LIMITS = new UnpackLimits(1 << 20, 20);

  @TempDir(factory = OnDisk.class)
  Path directory;

  private Path root;
  private Path outside;
  private TestRegistry registry;
  private ImageService images;

  @BeforeEach
  void start() throws IOException {
    root = Files.createDirectory(directory.resolve("root"));
    outside = Files.createDirectory(directory.resolve("outside"));
    registry = new TestRegistry();
    images =
        new ImageService(
            directory.resolve("store"),
            new ImageSettings(
                RegistrySettings.defaults(),
                Platform.host(),
                LIMITS,
                List.of(),
                UnaryOperator.identity()),
            Registries.of(RegistryEndpoints.named(Set.of())),
            Clock.systemUTC());
  }

  @AfterEach
  void stop() {
    images.close();
    registry.close();
  }

  private void unpack(TarBuilder archive) throws IOException {
    var _ = new LayerUnpacker(LIMITS).unpack(new ByteArrayInputStream(archive.build()), root);
  }

  private void refused(ErrorCode code, TarBuilder archive) {
    assertThatThrownBy(() -> unpack(archive))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).as(refusal.getMessage()).isEqualTo(code));
  }

  private Image pull(byte[] layer) {
    return images.pull(
        new TestImage(List.of(layer)).push(registry, "a/hostile", "1"),
        Credentials.none(),
        PullListener.NONE);
  }

  private void nothingIsLeft() {
    assertThat(images.list()).isEmpty();
    assertThat(images.usage().bytes()).isZero();
    assertThat(directory.resolve("store/layers/sha256"))
        .satisfiesAnyOf(
            layers -> assertThat(layers).doesNotExist(),
            layers -> assertThat(layers).isEmptyDirectory());
  }

  @ParameterizedTest
  @ValueSource(strings = {"/escaped", "../../escaped", "a/../../../escaped", "./..//escaped"})
  void pathsStayInside(String name) throws IOException {
    unpack(new TarBuilder().file(name, "x"));

    assertThat(root.resolve("escaped")).hasContent("x");
    assertThat(directory.resolve("escaped")).doesNotExist();
    assertThat(Path.of("/escaped")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"absolute", "relative", "chained"})
  void linksLeadNowhereElse(String kind) throws IOException {
    String up = "../".repeat(12);
    switch (kind) {
      case "absolute" -> unpack(new TarBuilder().symlink("d", outside.toString()).file("d/x", "x"));
      case "relative" -> unpack(new TarBuilder().symlink("d", up + outside).file("d/x", "x"));
      default ->
          unpack(new TarBuilder().symlink("a", up).symlink("d", "a" + outside).file("d/x", "x"));
    }

    assertThat(outside).isEmptyDirectory();
    assertThat(root.resolve(outside.toString().substring(1)).resolve("x")).hasContent("x");
  }

  @Test
  void aFileDoesNotWriteThroughALink() throws IOException {
    Path victim = Files.writeString(outside.resolve("victim"), "whole");

    unpack(new TarBuilder().symlink("x", victim.toString()).file("x", "overwritten"));

    assertThat(victim).hasContent("whole");
    assertThat(root.resolve("x")).hasContent("overwritten");
    assertThat(Files.isSymbolicLink(root.resolve("x"))).isFalse();
  }

  @Test
  void hardLinksReachOnlyWhatTheLayerHas() throws IOException {
    Path victim = Files.writeString(outside.resolve("victim"), "whole");

    refused(ErrorCode.DATA_LOSS, new TarBuilder().hardLink("a", victim.toString()));
    refused(ErrorCode.DATA_LOSS, new TarBuilder().hardLink("b", "../outside/victim"));
    refused(
        ErrorCode.DATA_LOSS,
        new TarBuilder().symlink("d", outside.toString()).hardLink("c", "d/victim"));
    assertThat((int) Files.getAttribute(victim, "unix:nlink")).isOne();
  }

  @Test
  void deviceNodesCannotBeOpenedInAVolumeAndImpossibleOnesAreRefused() throws IOException {
    Image image = pull(new TarBuilder().node('3', "zero", 1, 5).build());
    Path volume = directory.resolve("volume");

    images.rootFilesystems().mountReadOnly(image, volume);
    try {
      assertThat(Files.exists(volume.resolve("zero"), LinkOption.NOFOLLOW_LINKS)).isTrue();
      assertThatThrownBy(() -> readOne(volume.resolve("zero"))).isInstanceOf(IOException.class);
    } finally {
      images.rootFilesystems().unmount(volume);
    }
    // nobody but root gets at those in the store
    assertThat(Files.getPosixFilePermissions(directory.resolve("store"))).hasSize(3);
    refused(ErrorCode.DATA_LOSS, new TarBuilder().node('3', "x", 5000, 1));
  }

  private static int readOne(Path file) throws IOException {
    try (InputStream input = Files.newInputStream(file)) {
      return input.read();
    }
  }

  @Test
  void bombsAreRefusedAndLeaveNothing() {
    byte[] zeros = new byte[600_000];
    assertThatThrownBy(() -> pull(new TarBuilder().file("a", zeros).file("b", zeros).build()))
        .hasMessageContaining("unpacks to more than");
    assertThatThrownBy(() -> pull(new TarBuilder().file("zeros", new byte[2 << 20]).build()))
        .hasMessageContaining("more than the 1048576 that are allowed");
    TarBuilder many = new TarBuilder();
    for (int i = 0; i < 21; i++) {
      many.file("f" + i, "");
    }
    assertThatThrownBy(() -> pull(many.build())).hasMessageContaining("more than the 20 entries");
    nothingIsLeft();
  }

  @Test
  void aHoleLargerThanAllowedIsRefused() {
    refused(
        ErrorCode.RESOURCE_EXHAUSTED,
        new TarBuilder()
            .pax(Map.of("GNU.sparse.map", "0,1", "GNU.sparse.size", "1125899906842624"))
            .file("f", "a"));
  }

  @Test
  void theLastOfSeveralEntriesWinsWhateverTheirKinds() throws IOException {
    unpack(
        new TarBuilder()
            .file("twice", "first")
            .file("twice", "second")
            .directory("d")
            .file("d/x", "x")
            .symlink("d", outside.toString())
            .directory("d")
            .file("d/y", "y")
            .file("dir/inside", "in order of nothing")
            .as(0700, 1, 2)
            .directory("dir"));

    assertThat(root.resolve("twice")).hasContent("second");
    assertThat(Files.isDirectory(root.resolve("d"), LinkOption.NOFOLLOW_LINKS)).isTrue();
    assertThat(root.resolve("d/y")).hasContent("y");
    assertThat(root.resolve("d/x")).doesNotExist();
    assertThat(root.resolve("dir/inside")).hasContent("in order of nothing");
    assertThat(Files.getPosixFilePermissions(root.resolve("dir"))).hasSize(3);
    assertThat(outside).isEmptyDirectory();
  }

  @Test
  void loopsOfLinksAndDamagedNamesAreRefused() {
    refused(
        ErrorCode.DATA_LOSS, new TarBuilder().symlink("a", "b").symlink("b", "a").file("a/x", "x"));
    refused(ErrorCode.DATA_LOSS, new TarBuilder().file(".wh...", "x"));
  }

  @Test
  void aLayerWithAnotherDigestLeavesNothing() {
    byte[] good = new TarBuilder().file("f", "good").build();
    byte[] evil = new TarBuilder().file("f", "evil").build();
    // the blob's digest is right, that of what is in it is not
    TestImage image = new TestImage(List.of(good));
    ImageReference reference = image.push(registry, "a/hostile", "1");
    byte[] packed = TestImage.gzip(evil);
    String manifest =
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%d},\"layers\":[{\"mediaType\":\"\",\"digest\":\"%s\",\"size\":%d}]}"
            .formatted(
                registry.blob(image.config()),
                image.config().length,
                registry.blob(packed),
                packed.length);
    registry.manifest("1", manifest.getBytes(java.nio.charset.StandardCharsets.UTF_8));

    assertThatThrownBy(() -> images.pull(reference, Credentials.none(), PullListener.NONE))
        .hasMessageContaining("the unpacked layer is damaged");
    nothingIsLeft();
  }
}
