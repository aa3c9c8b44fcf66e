package io.stagelet.stage0;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes an image as an OCI layout or as {@code docker load} wants it. The store keeps layers
 * unpacked, so they are packed anew: the files are the same, the layers' digests and with them the
 * image's id are others.
 */
final class ImageExport {
  private static final String CONFIG = "application/vnd.oci.image.config.v1+json";
  private static final String MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  private static final String LAYER = "application/vnd.oci.image.layer.v1.tar";

  private final Path temporary;
  private final Map<String, Path> files = new LinkedHashMap<>();
  private final Map<String, byte[]> documents = new LinkedHashMap<>();

  /**
   * An export.
   *
   * @param temporary an empty directory for the layers
   */
  ImageExport(Path temporary) {
    this.temporary = temporary;
  }

  /**
   * Gathers an image.
   *
   * @param config its configuration document
   * @param layers where its layers' files are, the lowest first
   * @param docker in Docker's form rather than the OCI's
   */
  void add(Image image, byte[] config, List<Path> layers, boolean docker) {
    try {
      List<Digest> diffIds = new ArrayList<>();
      ArrayNode described = JsonNodeFactory.instance.arrayNode();
      List<String> paths = new ArrayList<>();
      for (Path layer : layers) {
        Path packed = Files.createTempFile(temporary, "layer", ".tar");
        Digest digest = pack(layer, packed);
        String path = docker ? digest.hex() + ".tar" : "blobs/sha256/" + digest.hex();
        diffIds.add(digest);
        paths.add(path);
        files.put(path, packed);
        described.add(descriptor(LAYER, digest, Files.size(packed)));
      }
      byte[] newConfig = config(config, image, diffIds);
      Digest configDigest = Digest.of(newConfig);
      if (docker) {
        docker(image, newConfig, configDigest, paths);
      } else {
        layout(image, newConfig, configDigest, described);
      }
    } catch (IOException failure) {
      throw failed(failure);
    }
  }

  private static Digest pack(Path layer, Path target) throws IOException {
    Digest kind = Digest.of(new byte[0]);
    MessageDigest hasher = kind.hasher();
    try (OutputStream output =
        new BufferedOutputStream(
            new DigestOutputStream(Files.newOutputStream(target), hasher), 1 << 17)) {
      LayerPacker.pack(layer, output);
    }
    return kind.finish(hasher);
  }

  private static byte[] config(byte[] config, Image image, List<Digest> diffIds) {
    ObjectNode json = (ObjectNode) Json.object(config, "configuration " + image.id());
    ObjectNode root = json.putObject("rootfs").put("type", "layers");
    ArrayNode array = root.putArray("diff_ids");
    diffIds.forEach(diffId -> array.add(diffId.toString()));
    return Json.bytes(json);
  }

  private void layout(Image image, byte[] config, Digest configDigest, ArrayNode layers) {
    ObjectNode manifest = JsonNodeFactory.instance.objectNode();
    manifest.put("schemaVersion", 2).put("mediaType", MANIFEST);
    manifest.set("config", descriptor(CONFIG, configDigest, config.length));
    manifest.set("layers", layers);
    byte[] manifestBytes = Json.bytes(manifest);
    Digest manifestDigest = Digest.of(manifestBytes);
    ObjectNode index = JsonNodeFactory.instance.objectNode().put("schemaVersion", 2);
    ArrayNode manifests = index.putArray("manifests");
    List<String> names = image.tags().isEmpty() ? List.of("") : image.tags();
    for (String name : names) {
      ObjectNode entry = descriptor(MANIFEST, manifestDigest, manifestBytes.length);
      if (!name.isEmpty()) {
        entry
            .putObject("annotations")
            .put("io.containerd.image.name", name)
            .put("org.opencontainers.image.ref.name", name);
      }
      manifests.add(entry);
    }
    documents.put(
        "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}".getBytes(StandardCharsets.UTF_8));
    documents.put("index.json", Json.bytes(index));
    documents.put("blobs/sha256/" + configDigest.hex(), config);
    documents.put("blobs/sha256/" + manifestDigest.hex(), manifestBytes);
  }

  private void docker(Image image, byte[] config, Digest configDigest, List<String> layers) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    ObjectNode one = all.addObject().put("Config", configDigest.hex() + ".json");
    ArrayNode tags = one.putArray("RepoTags");
    image.tags().forEach(tags::add);
    ArrayNode paths = one.putArray("Layers");
    layers.forEach(paths::add);
    documents.put(configDigest.hex() + ".json", config);
    documents.put("manifest.json", Json.bytes(all));
  }

  private static ObjectNode descriptor(String type, Digest digest, long size) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("mediaType", type)
        .put("digest", digest.toString())
        .put("size", size);
  }

  /** Writes all to a tar archive, or to a directory that is there. */
  void write(Path target) {
    try {
      if (Files.isDirectory(target)) {
        writeDirectory(target);
      } else {
        writeTar(target);
      }
    } catch (IOException failure) {
      throw failed(failure);
    }
  }

  private void writeDirectory(Path target) throws IOException {
    for (Map.Entry<String, byte[]> document : documents.entrySet()) {
      Files.write(made(target, document.getKey()), document.getValue());
    }
    for (Map.Entry<String, Path> file : files.entrySet()) {
      Files.copy(file.getValue(), made(target, file.getKey()));
    }
  }

  private static Path made(Path target, String name) throws IOException {
    Path file = target.resolve(name);
    Files.createDirectories(java.util.Objects.requireNonNull(file.getParent()));
    return file;
  }

  private void writeTar(Path target) throws IOException {
    FileAttributes attributes = new FileAttributes(0, 0, 0644, 0, 0, Map.of());
    try (OutputStream output = new BufferedOutputStream(Files.newOutputStream(target), 1 << 17)) {
      TarWriter tar = new TarWriter(output);
      for (Map.Entry<String, byte[]> document : documents.entrySet()) {
        byte[] content = document.getValue();
        tar.entry(
            TreePath.of(document.getKey()),
            TarWriter.Type.FILE,
            attributes,
            content.length,
            "",
            0,
            0);
        output.write(content);
        tar.pad(content.length);
      }
      for (Map.Entry<String, Path> file : files.entrySet()) {
        long size = Files.size(file.getValue());
        tar.entry(TreePath.of(file.getKey()), TarWriter.Type.FILE, attributes, size, "", 0, 0);
        Files.copy(file.getValue(), output);
        tar.pad(size);
      }
      tar.end();
    }
  }

  private static StageletException failed(IOException failure) {
    return new StageletException(
        StageletException.reason(failure).contains("No space left")
            ? ErrorCode.RESOURCE_EXHAUSTED
            : ErrorCode.INTERNAL,
        "could not export the image: " + StageletException.reason(failure),
        failure);
  }
}
