package io.stagelet.cri.conformance;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** An OCI image under construction: its layers, and what it says of the process to run. */
final class ImageBuilder {
  private static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  private static final String CONFIG = "application/vnd.oci.image.config.v1+json";
  private static final String LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final TestRegistry registry;
  private final String repository;
  private final List<byte[]> layers = new ArrayList<>();
  private final ObjectNode process = JSON.createObjectNode();

  ImageBuilder(TestRegistry registry, String repository) {
    this.registry = registry;
    this.repository = repository;
  }

  ImageBuilder layer(TarLayer layer) {
    return layer(layer.bytes());
  }

  ImageBuilder layer(byte[] tar) {
    layers.add(tar.clone());
    return this;
  }

  ImageBuilder entrypoint(String... words) {
    process.set("Entrypoint", JSON.valueToTree(words));
    return this;
  }

  ImageBuilder command(String... words) {
    process.set("Cmd", JSON.valueToTree(words));
    return this;
  }

  ImageBuilder environment(String... pairs) {
    process.set("Env", JSON.valueToTree(pairs));
    return this;
  }

  ImageBuilder workingFolder(String path) {
    process.put("WorkingDir", path);
    return this;
  }

  ImageBuilder user(String user) {
    process.put("User", user);
    return this;
  }

  ImageBuilder stopSignal(String signal) {
    process.put("StopSignal", signal);
    return this;
  }

  /** Pushes it under the tag "1". */
  PushedImage push() {
    return push("1");
  }

  PushedImage push(String tag) {
    ObjectNode config = JSON.createObjectNode().put("architecture", "amd64").put("os", "linux");
    config.set("config", process);
    ObjectNode manifest =
        JSON.createObjectNode().put("schemaVersion", 2).put("mediaType", MANIFEST);
    var diffIds = config.putObject("rootfs").put("type", "layers").putArray("diff_ids");
    var descriptors = JSON.createArrayNode();
    List<String> digests = new ArrayList<>();
    for (byte[] layer : layers) {
      diffIds.add(digest(layer));
      byte[] compressed = TestImages.gzip(layer);
      String digest = digest(compressed);
      registry.putBlob(repository, digest, compressed);
      digests.add(digest);
      descriptors.add(descriptor(LAYER, digest, compressed.length));
    }
    byte[] configBytes = bytes(config);
    String configDigest = digest(configBytes);
    registry.putBlob(repository, configDigest, configBytes);
    manifest.set("config", descriptor(CONFIG, configDigest, configBytes.length));
    manifest.set("layers", descriptors);
    byte[] manifestBytes = bytes(manifest);
    registry.putManifest(repository, tag, MANIFEST, manifestBytes);
    return new PushedImage(
        registry.address() + "/" + repository, tag, digest(manifestBytes), configDigest, digests);
  }

  private static ObjectNode descriptor(String mediaType, String digest, int size) {
    return JSON.createObjectNode()
        .put("mediaType", mediaType)
        .put("digest", digest)
        .put("size", size);
  }

  private static byte[] bytes(ObjectNode json) {
    try {
      return JSON.writeValueAsBytes(json);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("a tree that cannot be written", impossible);
    }
  }

  private static String digest(byte[] content) {
    try {
      return "sha256:"
          + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException("every JDK has SHA-256", impossible);
    }
  }
}
