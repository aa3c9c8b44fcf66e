package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;

/** An image made of tar archives, for tests. */
final class TestImage {
  private final List<byte[]> layers;

  TestImage(List<byte[]> layers) {
    this.layers = List.copyOf(layers);
  }

  /** Puts it into a registry under this name; its layers are gzipped. */
  ImageReference push(TestRegistry registry, String repository, String tag) {
    manifest(registry, tag);
    return registry.reference(repository + ":" + tag);
  }

  /** The digest of the manifest that is in the registry now. */
  Digest manifest(TestRegistry registry, String tag) {
    byte[] config = config();
    String described =
        layers.stream()
            .map(TestImage::gzip)
            .map(packed ->
                "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%d}"
                    .formatted(registry.blob(packed), packed.length))
            .collect(Collectors.joining(","));
    String manifest =
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%d},\"layers\":[%s]}"
            .formatted(registry.blob(config), config.length, described);
    return registry.manifest(tag, manifest.getBytes(UTF_8));
  }

  byte[] config() {
    String diffIds =
        layers.stream()
            .map(layer -> "\"" + Digest.of(layer) + "\"")
            .collect(Collectors.joining(","));
    return "{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}"
        .formatted(diffIds)
        .getBytes(UTF_8);
  }

  static byte[] gzip(byte[] content) {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
      gzip.write(content);
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    }
    return packed.toByteArray();
  }
}
