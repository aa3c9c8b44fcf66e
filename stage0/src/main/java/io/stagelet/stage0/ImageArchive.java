package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ConfinedFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Images in files: an OCI layout (OCI image specification, "Image Layout") or what {@code docker
 * save} writes, in a directory. Nothing in it is trusted.
 */
final class ImageArchive implements ImageSource {
  /**
   * An image in the archive.
   *
   * @param names what the archive calls it; may be empty, or tags alone
   */
  record Entry(RemoteRepository.Manifest manifest, List<String> names) {
    Entry {
      names = List.copyOf(names);
    }
  }

  private static final int LARGEST_DOCUMENT = 4 << 20;

  private final Path directory;
  private final Map<Digest, String> paths = new HashMap<>();
  private final List<Entry> entries = new ArrayList<>();

  private ImageArchive(Path directory) {
    this.directory = directory;
  }

  /**
   * The images in {@code directory}.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is neither kind of archive
   */
  static ImageArchive of(Path directory) {
    ImageArchive archive = new ImageArchive(directory);
    try {
      if (Files.exists(directory.resolve("index.json"))) {
        archive.readLayout();
      } else if (Files.exists(directory.resolve("manifest.json"))) {
        archive.readDockerArchive();
      } else {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "it is no image archive: there is neither index.json (OCI layout) nor manifest.json (docker save)");
      }
      return archive;
    } catch (IOException failure) {
      throw damaged(StageletException.reason(failure), failure);
    }
  }

  /** Unpacks a tar archive, packed or not, into an empty directory. */
  static void unpack(Path tar, LayerUnpacker unpacker, Path directory) {
    if (!Files.isRegularFile(tar)) {
      throw new StageletException(ErrorCode.NOT_FOUND, "there is no file or directory " + tar);
    }
    try (InputStream file = new BufferedInputStream(Files.newInputStream(tar));
        InputStream archive = Compression.unpacked(file)) {
      var _ = unpacker.unpack(archive, directory);
    } catch (IOException failure) {
      throw damaged(StageletException.reason(failure), failure);
    }
  }

  /** All images in it. */
  List<Entry> entries() {
    return List.copyOf(entries);
  }

  private void readLayout() throws IOException {
    for (JsonNode node : Json.object(bytes("index.json"), "index.json").path("manifests")) {
      BlobDescriptor descriptor = ManifestDocument.descriptor(node, "index.json");
      Map<String, String> notes = descriptor.annotations();
      List<String> names = new ArrayList<>();
      for (String key : List.of("io.containerd.image.name", "org.opencontainers.image.ref.name")) {
        if (notes.containsKey(key)) {
          names.add(notes.get(key));
          break;
        }
      }
      entries.add(new Entry(manifest(descriptor.digest().toString()), names));
    }
  }

  private void readDockerArchive() throws IOException {
    byte[] wrapped =
        "{\"images\":%s}"
            .formatted(new String(bytes("manifest.json"), StandardCharsets.UTF_8))
            .getBytes(StandardCharsets.UTF_8);
    for (JsonNode image : Json.object(wrapped, "manifest.json").path("images")) {
      String configPath = Json.text(image, "Config");
      byte[] config = bytes(configPath);
      Digest configDigest = Digest.of(config);
      paths.put(configDigest, configPath);
      ObjectNode manifest = JsonNodeFactory.instance.objectNode();
      manifest
          .put("schemaVersion", 2)
          .put("mediaType", "application/vnd.oci.image.manifest.v1+json");
      manifest
          .putObject("config")
          .put("mediaType", "application/vnd.oci.image.config.v1+json")
          .put("digest", configDigest.toString())
          .put("size", config.length);
      ArrayNode layers = manifest.putArray("layers");
      for (String path : Json.texts(image, "Layers")) {
        layers.add(layer(path));
      }
      byte[] written = Json.bytes(manifest);
      entries.add(
          new Entry(
              new RemoteRepository.Manifest(written, Digest.of(written)),
              Json.texts(image, "RepoTags")));
    }
  }

  private ObjectNode layer(String path) throws IOException {
    try (FileChannel file = channel(path);
        InputStream stream = Channels.newInputStream(file)) {
      Digest kind = Digest.of(new byte[0]);
      MessageDigest hasher = kind.hasher();
      byte[] buffer = new byte[128 << 10];
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        hasher.update(buffer, 0, count);
      }
      Digest digest = kind.finish(hasher);
      paths.put(digest, path);
      return JsonNodeFactory.instance
          .objectNode()
          .put("mediaType", "application/vnd.oci.image.layer.v1.tar")
          .put("digest", digest.toString())
          .put("size", file.size());
    }
  }

  private FileChannel channel(String path) {
    String raw = new String(path.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    return ConfinedFiles.openRaw(directory, raw)
        .orElseThrow(
            () -> new StageletException(ErrorCode.DATA_LOSS, "the archive lacks its file " + path));
  }

  private FileChannel channel(Digest digest) {
    return channel(
        paths.getOrDefault(digest, "blobs/%s/%s".formatted(digest.algorithm(), digest.hex())));
  }

  private byte[] bytes(String path) throws IOException {
    try (FileChannel file = channel(path)) {
      return bytes(file, path);
    }
  }

  private static byte[] bytes(FileChannel file, String what) throws IOException {
    try (InputStream stream = Channels.newInputStream(file)) {
      byte[] bytes = stream.readNBytes(LARGEST_DOCUMENT + 1);
      if (bytes.length > LARGEST_DOCUMENT) {
        throw new IOException(
            "%s is larger than the %d bytes that are read of it".formatted(what, LARGEST_DOCUMENT));
      }
      return bytes;
    }
  }

  private byte[] verified(Digest digest) {
    try (FileChannel file = channel(digest)) {
      byte[] bytes = bytes(file, digest.toString());
      digest.verify(bytes, "the archive's blob " + digest);
      return bytes;
    } catch (IOException failure) {
      throw damaged(StageletException.reason(failure), failure);
    }
  }

  @Override
  public RemoteRepository.Manifest manifest(String tagOrDigest) {
    Digest digest = Digest.parse(tagOrDigest);
    return new RemoteRepository.Manifest(verified(digest), digest);
  }

  @Override
  public byte[] document(BlobDescriptor blob) {
    return verified(blob.digest());
  }

  @Override
  public PackedLayer open(BlobDescriptor blob) {
    FileChannel file = channel(blob.digest());
    return new PackedLayer() {
      private long position;

      @Override
      public int read(byte[] target) throws IOException {
        int count = file.read(ByteBuffer.wrap(target));
        position += Math.max(0, count);
        return count;
      }

      @Override
      public long position() {
        return position;
      }

      @Override
      public void close() {
        try {
          file.close();
        } catch (IOException failure) {
          throw damaged(StageletException.reason(failure), failure);
        }
      }
    };
  }

  private static StageletException damaged(String why, Throwable cause) {
    return new StageletException(
        ErrorCode.DATA_LOSS, "the image archive cannot be read: " + why, cause);
  }
}
