package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OCI artifacts, which are mounted as image volumes: their blobs are files. */
@Timeout(120)
class ArtifactIT {
  @TempDir(factory = OnDisk.class)
  Path directory;

  private TestRegistry registry;
  private ImageService images;

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    images = service();
  }

  private ImageService service() {
    return new ImageService(
        directory.resolve("store"),
        ImageSettings.defaults(),
        Registries.of(RegistryEndpoints.named(Set.of())),
        Clock.systemUTC());
  }

  @AfterEach
  void stop() {
    images.close();
    registry.close();
  }

  /** Content by title; an artifact as ORAS makes it, with the empty configuration. */
  private ImageReference push(String name, Map<String, String> files) {
    String layers =
        files.entrySet().stream()
            .map(file -> {
              byte[] content = file.getValue().getBytes(UTF_8);
              return "{\"mediaType\":\"application/vnd.example.weights\",\"digest\":\"%s\",\"size\":%d,\"annotations\":{\"org.opencontainers.image.title\":\"%s\"}}"
                  .formatted(registry.blob(content), content.length, file.getKey());
            })
            .collect(Collectors.joining(","));
    byte[] empty = "{}".getBytes(UTF_8);
    registry.manifest(
        name,
        "{\"schemaVersion\":2,\"artifactType\":\"application/vnd.example.model\",\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"%s\",\"size\":2},\"layers\":[%s]}"
            .formatted(registry.blob(empty), layers)
            .getBytes(UTF_8));
    return registry.reference("a/artifact:" + name);
  }

  private Image pull(ImageReference reference) {
    return images.pull(reference, Credentials.none(), PullListener.NONE);
  }

  @Test
  void itsBlobsAreFilesCalledByTheirTitles() throws IOException {
    Image artifact = pull(push("1", Map.of("model.bin", "weights", "docs/README", "read me")));
    Path target = directory.resolve("volume");

    images.rootFilesystems().mountReadOnly(artifact, target);
    try {
      assertThat(target.resolve("model.bin")).hasContent("weights");
      assertThat(target.resolve("docs/README")).hasContent("read me");
      assertThat(Files.getPosixFilePermissions(target.resolve("docs"))).hasSize(7);
      assertThatThrownBy(() -> Files.writeString(target.resolve("more"), "x"))
          .isInstanceOf(IOException.class);
    } finally {
      images.rootFilesystems().unmount(target);
    }
    assertThat(images.check(true, false)).isEmpty();
  }

  @Test
  void aSubPathOfItMayBeAFile() {
    Image artifact = pull(push("1", Map.of("docs/README", "read me")));
    Path target = directory.resolve("volume");

    images.rootFilesystems().mountReadOnly(artifact, target, "docs/README", Optional.empty());
    try {
      assertThat(target).hasContent("read me");
    } finally {
      images.rootFilesystems().unmount(target);
    }
  }

  @Test
  void itIsKnownByItsManifestAfterARestartToo() {
    Image one = pull(push("1", Map.of("a", "same")));
    Image other = pull(push("2", Map.of("b", "same")));
    assertThat(one.id()).isNotEqualTo(other.id());
    assertThat(one.digests().getFirst()).endsWith(one.id().toString());

    images.close();
    images = service();

    assertThat(images.list()).containsExactlyInAnyOrder(one, other);
    images.list().forEach(each -> assertThat(images.remove(each.id().toString())).isTrue());
    assertThat(images.usage().bytes()).isZero();
  }

  @Test
  void aTitleLeadsNowhereElse() throws IOException {
    Image artifact = pull(push("1", Map.of("../../../escaped", "x", "", "no title")));
    Path target = directory.resolve("volume");

    images.rootFilesystems().mountReadOnly(artifact, target);
    try (var files = Files.list(target)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .hasSize(2)
          .contains("escaped")
          .anyMatch(name -> name.startsWith("sha256-"));
    } finally {
      images.rootFilesystems().unmount(target);
    }
  }

  @Test
  void aDamagedBlobLeavesNothing() {
    ImageReference reference = push("1", Map.of("a", "content"));
    registry.fault =
        exchange -> {
          if (exchange.getRequestURI().getPath().contains("/blobs/")) {
            TestRegistry.reply(exchange, 200, "CONTENT");
            return true;
          }
          return false;
        };

    assertThatThrownBy(() -> pull(reference)).hasMessageContaining("damaged");

    assertThat(images.list()).isEmpty();
    assertThat(images.usage().bytes()).isZero();
  }

  @Test
  void aContainerCannotBeMadeOfIt() {
    Image artifact = pull(push("1", Map.of("a", "content")));
    Path root = directory.resolve("root");

    assertThatThrownBy(() ->
            images
                .rootFilesystems()
                .mount(artifact, root, directory.resolve("upper"), directory.resolve("work")))
        .hasMessageContaining("is an OCI artifact")
        .hasMessageContaining("a/artifact:1")
        .isInstanceOfSatisfying(
            StageletException.class,
            refused -> assertThat(refused.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT));
    assertThat(root).doesNotExist();
  }

  @Test
  void itIsNotExported() {
    Image artifact = pull(push("1", Map.of("a", "content")));

    assertThatThrownBy(() -> images.exportTo(artifact, directory.resolve("x.tar"), false))
        .isInstanceOfSatisfying(
            StageletException.class,
            refused -> assertThat(refused.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT));
  }
}
