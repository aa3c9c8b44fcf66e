package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which layers the root filesystems on this machine stand on, one file each in {@code roots/}.
 *
 * <p>Written without a flush: after a crash of the machine nothing is mounted, and what a lost
 * reference kept can only be a container that is dead. Not safe from several threads: {@link
 * ImageService} has the lock.
 */
final class RootReferences {
  /**
   * One root filesystem.
   *
   * @param target where it is mounted
   * @param layers what it stands on
   */
  record Reference(Path target, ImageId image, List<Digest> layers) {
    Reference {
      layers = List.copyOf(layers);
    }
  }

  private static final Logger LOG = LoggerFactory.getLogger(RootReferences.class);
  private static final String ASIDE = ".new";
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");

  private final Path directory;
  private final String boot;
  private final Map<Path, Reference> references = new LinkedHashMap<>();

  /** Opens them. */
  RootReferences(Path root) {
    this.directory = root.resolve("roots");
    try {
      Files.createDirectories(directory);
      this.boot = Files.readString(BOOT_ID).strip();
    } catch (IOException failure) {
      throw StoreFiles.failed("open", directory, failure);
    }
  }

  /**
   * Reads what is on disk; dropped are those that the machine's end has ended, and those whose
   * target's directory is gone. With the store's lock held.
   */
  void reload() {
    references.clear();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        load(file);
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("read", directory, failure);
    }
  }

  private void load(Path file) throws IOException {
    try {
      JsonNode json = Json.object(Files.readAllBytes(file), file.toString());
      Path target = Path.of(Json.text(json, "target"));
      Path parent = target.getParent();
      boolean there = parent != null && Files.exists(parent);
      if (there && Json.text(json, "boot").equals(boot) && file.equals(file(target))) {
        references.put(
            target,
            new Reference(
                target,
                new ImageId(Digest.parse(Json.text(json, "image"))),
                Json.texts(json, "layers").stream().map(Digest::parse).toList()));
        return;
      }
    } catch (StageletException damaged) {
      ImageEvent.STORE_DAMAGED
          .on(LOG)
          .log("{} is damaged and is removed: {}", file, StageletException.reason(damaged));
    }
    Files.delete(file);
  }

  /** The reference of what is mounted at {@code target}. */
  Optional<Reference> find(Path target) {
    return Optional.ofNullable(references.get(target));
  }

  /** Images that root filesystems are made of. */
  Set<ImageId> images() {
    return references.values().stream().map(Reference::image).collect(Collectors.toSet());
  }

  /** All targets. */
  Set<Path> targets() {
    return Set.copyOf(references.keySet());
  }

  /** All layers that must stay. */
  Set<Digest> layers() {
    return references.values().stream()
        .flatMap(reference -> reference.layers().stream())
        .collect(Collectors.toSet());
  }

  void put(Reference reference) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("target", reference.target().toString());
    json.put("image", reference.image().toString());
    json.put("boot", boot);
    ArrayNode layers = json.putArray("layers");
    reference.layers().forEach(layer -> layers.add(layer.toString()));
    Path file = file(reference.target());
    Path aside = file.resolveSibling(file.getFileName() + ASIDE);
    try {
      Files.write(aside, Json.bytes(json));
      Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException failure) {
      throw StoreFiles.failed("write", file, failure);
    }
    references.put(reference.target(), reference);
  }

  void remove(Path target) {
    references.remove(target);
    try {
      Files.deleteIfExists(file(target));
    } catch (IOException failure) {
      throw StoreFiles.failed("remove", file(target), failure);
    }
  }

  private Path file(Path target) {
    Digest name = Digest.of(target.toString().getBytes(StandardCharsets.UTF_8));
    return directory.resolve(name.hex().substring(0, 32) + ".json");
  }
}
