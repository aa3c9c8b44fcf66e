package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which images the store has and what they are called.
 *
 * <pre>
 *   blobs/sha256/HEX     manifests, indexes and configurations, as the registry sent them
 *   images/HEX.json      one image: its names and its blobs; HEX is its configuration's
 * </pre>
 *
 * <p>Each write is durable by itself, and an image's record is written after its blobs. Not safe
 * from several threads: {@link ImageService} has the lock.
 */
final class ImageRecords {
  /**
   * One image.
   *
   * @param tags canonical names with tags
   * @param digests canonical names with digests
   * @param blobs its manifest, the index it came from, its configuration
   * @param artifact whether its configuration is not an image's
   */
  record ImageRecord(
      ImageId id,
      List<String> tags,
      List<String> digests,
      Set<Digest> blobs,
      ImageConfig config,
      List<Digest> diffIds,
      boolean artifact,
      int configSize) {
    ImageRecord {
      tags = List.copyOf(tags);
      digests = List.copyOf(digests);
      blobs = Set.copyOf(blobs);
      diffIds = List.copyOf(diffIds);
    }

    ImageRecord named(List<String> newTags, List<String> newDigests) {
      return new ImageRecord(id, newTags, newDigests, blobs, config, diffIds, artifact, configSize);
    }
  }

  private static final Logger LOG = LoggerFactory.getLogger(ImageRecords.class);
  private static final String SUFFIX = ".json";

  private final Path images;
  private final Path blobs;
  private final Map<ImageId, ImageRecord> records = new LinkedHashMap<>();
  private long blobBytes;
  private long blobCount;

  /** Opens the records. */
  ImageRecords(Path root) {
    this.images = root.resolve("images");
    this.blobs = root.resolve("blobs");
    try {
      Files.createDirectories(images);
      Files.createDirectories(blobs);
    } catch (IOException failure) {
      throw StoreFiles.failed("open", root, failure);
    }
  }

  /**
   * Reads what is on disk. What is damaged is removed, and what belongs to no image. With the
   * store's lock held.
   *
   * @return what was damaged
   */
  List<String> reload() {
    List<String> damaged = new ArrayList<>();
    records.clear();
    blobBytes = 0;
    blobCount = 0;
    try {
      for (Path file : StoreFiles.children(images)) {
        load(file, damaged);
      }
      Set<String> used = usedBlobs().stream().map(Digest::toString).collect(Collectors.toSet());
      for (Path algorithm : StoreFiles.children(blobs)) {
        for (Path blob : StoreFiles.children(algorithm)) {
          keepOrDelete(algorithm.getFileName() + ":" + blob.getFileName(), blob, used);
        }
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("read", images, failure);
    }
    return damaged;
  }

  private void load(Path file, List<String> found) throws IOException {
    String name = file.getFileName().toString();
    if (!name.endsWith(SUFFIX)) {
      Files.delete(file);
      return;
    }
    try {
      JsonNode json = Json.object(Files.readAllBytes(file), file.toString());
      Digest config = Digest.parse(Json.text(json, "config"));
      byte[] document =
          read(config)
              .orElseThrow(() ->
                  new StageletException(
                      ErrorCode.DATA_LOSS, "its configuration is gone or damaged"));
      ImageRecord record =
          ImageRecords.record(
              new ImageId(config),
              document,
              Json.texts(json, "tags"),
              Json.texts(json, "digests"),
              Json.texts(json, "blobs").stream().map(Digest::parse).collect(Collectors.toSet()));
      records.put(record.id(), record);
    } catch (StageletException damaged) {
      ImageEvent.STORE_DAMAGED
          .on(LOG)
          .log(
              "image record {} is damaged and is removed: {}",
              file,
              StageletException.reason(damaged));
      found.add("image record %s: %s".formatted(file.getFileName(), damaged.getMessage()));
      Files.delete(file);
    }
  }

  private void keepOrDelete(String name, Path blob, Set<String> used) throws IOException {
    if (used.contains(name)) {
      blobBytes += Files.size(blob);
      blobCount++;
    } else {
      Files.delete(blob);
    }
  }

  /**
   * The record of an image whose configuration is {@code document}, or of an artifact whose
   * manifest it is: the configuration of an artifact is often the same empty document, and names
   * nothing.
   */
  static ImageRecord record(
      ImageId id, byte[] document, List<String> tags, List<String> digests, Set<Digest> blobs) {
    JsonNode json = Json.object(document, "configuration " + id);
    boolean artifact = json.has("layers");
    List<Digest> diffIds =
        artifact
            ? ArtifactFiles.of(ImageManifest.of(json, "artifact " + id)).stream()
                .map(ImagePart::diffId)
                .toList()
            : Json.texts(json.path("rootfs"), "diff_ids").stream().map(Digest::parse).toList();
    return new ImageRecord(
        id, tags, digests, blobs, ImageConfig.of(json), diffIds, artifact, document.length);
  }

  /** All images. */
  Collection<ImageRecord> all() {
    return records.values();
  }

  /** One image. */
  Optional<ImageRecord> find(ImageId id) {
    return Optional.ofNullable(records.get(id));
  }

  /** A blob's bytes; empty where it is not here or damaged. */
  Optional<byte[]> read(Digest digest) {
    Path file = file(digest);
    try {
      if (!Files.exists(file)) {
        return Optional.empty();
      }
      byte[] bytes = Files.readAllBytes(file);
      digest.verify(bytes, file.toString());
      return Optional.of(bytes);
    } catch (StageletException damaged) {
      ImageEvent.STORE_DAMAGED.on(LOG).log("{}", damaged.getMessage());
      return Optional.empty();
    } catch (IOException failure) {
      throw StoreFiles.failed("read", file, failure);
    }
  }

  /** Keeps an image: its blobs, then its record. */
  void put(ImageRecord record, Map<Digest, byte[]> contents) {
    contents.forEach((digest, bytes) -> {
      if (read(digest).isEmpty()) {
        Path file = file(digest);
        try {
          Files.createDirectories(java.util.Objects.requireNonNull(file.getParent()));
        } catch (IOException failure) {
          throw StoreFiles.failed("write", file, failure);
        }
        DurableFiles.write(file, bytes);
        blobBytes += bytes.length;
        blobCount++;
      }
    });
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("config", record.id().toString());
    addAll(json.putArray("tags"), record.tags());
    addAll(json.putArray("digests"), record.digests());
    addAll(json.putArray("blobs"), record.blobs().stream().map(Digest::toString).sorted().toList());
    DurableFiles.write(recordFile(record.id()), Json.bytes(json));
    records.put(record.id(), record);
  }

  /** Forgets an image, and the blobs that only it used. */
  void remove(ImageId id) {
    ImageRecord gone = records.remove(id);
    if (gone == null) {
      return;
    }
    try {
      Files.deleteIfExists(recordFile(id));
      Set<Digest> used = usedBlobs();
      for (Digest digest : gone.blobs()) {
        if (!used.contains(digest)) {
          long size = Files.exists(file(digest)) ? Files.size(file(digest)) : 0;
          if (Files.deleteIfExists(file(digest))) {
            blobBytes -= size;
            blobCount--;
          }
        }
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("remove image", recordFile(id), failure);
    }
  }

  /** What the blobs and records take, in bytes. */
  long bytes() {
    return blobBytes;
  }

  /** How many files the blobs and records are. */
  long inodes() {
    return blobCount + records.size();
  }

  private Set<Digest> usedBlobs() {
    return records.values().stream()
        .flatMap(record -> record.blobs().stream())
        .collect(Collectors.toSet());
  }

  private Path file(Digest digest) {
    return blobs.resolve(digest.algorithm()).resolve(digest.hex());
  }

  private Path recordFile(ImageId id) {
    return images.resolve(id.config().hex() + SUFFIX);
  }

  private static void addAll(ArrayNode array, List<String> texts) {
    texts.forEach(array::add);
  }
}
