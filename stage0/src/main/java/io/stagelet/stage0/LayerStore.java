package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FilesystemFlush;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The unpacked layers on disk, by the digest of their uncompressed archive.
 *
 * <pre>
 *   layers/sha256/HEX/diff/        the files, as overlayfs wants them
 *   layers/sha256/HEX/layer.json   their room, and what else is known
 *   layers/sha256/HEX/durable      there once the disk has all of it
 *   layers/sha256/HEX/contents     its files' sizes and checksums
 *   condemned/HEX.UUID/            a damaged layer that a root filesystem still stands on
 * </pre>
 *
 * <p>A layer appears by a rename, whole, without waiting for the disk; the disk gets it in the
 * background, and then the mark. After a crash of the machine (another boot id) a layer without the
 * mark may have empty files, and is thrown away; after a crash of this process alone it is fine.
 *
 * <p>Safe from any thread. Which layers are in use is not known here.
 */
final class LayerStore implements AutoCloseable {
  /**
   * A layer in the store.
   *
   * @param room what it takes on the disk
   * @param opaqueRoot whether it hides all layers below it
   */
  record Layer(Digest diffId, ConfinedTree.Room room, boolean opaqueRoot) {}

  private static final Logger LOG = LoggerFactory.getLogger(LayerStore.class);
  private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
  private static final String RECORD = "layer.json";
  private static final String DURABLE = "durable";
  private static final String CONTENTS = "contents";

  private final Path root;
  private final Path layersDirectory;
  private final Path condemned;
  private final StoreSessions sessions;
  private final String boot;
  private final Map<Digest, Layer> layers = new LinkedHashMap<>();
  private final Set<Digest> unflushed = new HashSet<>();
  private boolean flushing;

  /** Opens the store. */
  LayerStore(Path root, StoreSessions sessions) {
    this.root = root;
    this.sessions = sessions;
    this.layersDirectory = root.resolve("layers");
    this.condemned = root.resolve("condemned");
    try {
      this.boot = Files.readString(BOOT_ID).strip();
      Files.createDirectories(layersDirectory);
      Files.createDirectories(condemned);
    } catch (IOException failure) {
      throw StoreFiles.failed("open the layer store", root, failure);
    }
  }

  /** Reads what is on disk; what is damaged is removed. With the store's lock held. */
  synchronized void reload() {
    Set<Digest> there = new HashSet<>();
    try {
      for (Path algorithm : StoreFiles.children(layersDirectory)) {
        for (Path layer : StoreFiles.children(algorithm)) {
          load(algorithm.getFileName().toString(), layer).ifPresent(there::add);
        }
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("read the layer store", root, failure);
    }
    layers.keySet().retainAll(there);
    unflushed.retainAll(there);
  }

  private Optional<Digest> load(String algorithm, Path directory) throws IOException {
    try {
      Digest diffId = new Digest(algorithm, directory.getFileName().toString());
      JsonNode json =
          Json.object(Files.readAllBytes(directory.resolve(RECORD)), directory + "/" + RECORD);
      boolean durable = Files.exists(directory.resolve(DURABLE));
      if (!durable && !Json.text(json, "boot").equals(boot)) {
        ImageEvent.STORE_DAMAGED
            .on(LOG)
            .log(
                "layer {} was not on the disk yet when the machine went down; it is removed",
                diffId);
        ConfinedTree.delete(directory);
        return Optional.empty();
      }
      if (!Files.isDirectory(directory.resolve("diff"))) {
        throw new StageletException(ErrorCode.DATA_LOSS, "its files are gone");
      }
      if (!durable) {
        unflushed.add(diffId);
      }
      layers.put(
          diffId,
          new Layer(
              diffId,
              new ConfinedTree.Room(
                  json.path("bytes").longValue(), json.path("inodes").longValue()),
              json.path("opaqueRoot").booleanValue()));
      return Optional.of(diffId);
    } catch (StageletException | IOException damaged) {
      ImageEvent.STORE_DAMAGED
          .on(LOG)
          .log(
              "layer {} is damaged and is removed: {}",
              directory,
              StageletException.reason(damaged));
      ConfinedTree.delete(directory);
      return Optional.empty();
    }
  }

  /** The layer, where it is here. */
  synchronized Optional<Layer> find(Digest diffId) {
    return Optional.ofNullable(layers.get(diffId));
  }

  /** All layers. */
  synchronized List<Layer> all() {
    return List.copyOf(layers.values());
  }

  /** Where a layer's files are. */
  Path files(Digest diffId) {
    return directory(diffId).resolve("diff");
  }

  /** A directory for a layer that is coming: the files go into its {@code diff}. */
  Path newTemporary() {
    Path directory = sessions.temporary();
    try {
      Files.createDirectories(directory.resolve("diff"));
    } catch (IOException failure) {
      throw StoreFiles.failed("make", directory, failure);
    }
    return directory;
  }

  /**
   * Makes a temporary directory the layer. Where the layer has come meanwhile, that one stays. With
   * the store's lock held.
   */
  Layer publish(Digest diffId, Path temporary, LayerUnpacker.Unpacked unpacked) {
    ObjectNode record = JsonNodeFactory.instance.objectNode();
    record
        .put("bytes", unpacked.room().bytes())
        .put("inodes", unpacked.room().inodes())
        .put("opaqueRoot", unpacked.opaqueRoot())
        .put("boot", boot);
    unpacked.implicitDirectories().stream()
        .map(TreePath::toString)
        .forEach(record.putArray("implicitDirectories")::add);
    try {
      Files.write(temporary.resolve(RECORD), Json.bytes(record));
      unpacked.contents().write(temporary.resolve(CONTENTS));
      Path directory = directory(diffId);
      synchronized (this) {
        Layer there = layers.get(diffId);
        if (there != null) {
          return there;
        }
        Files.createDirectories(parentOf(directory));
        Files.move(temporary, directory, StandardCopyOption.ATOMIC_MOVE);
        Layer layer = new Layer(diffId, unpacked.room(), unpacked.opaqueRoot());
        layers.put(diffId, layer);
        unflushed.add(diffId);
        return layer;
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("publish layer", directory(diffId), failure);
    }
  }

  /** Starts bringing new layers to the disk, in the background. */
  void flushLater() {
    synchronized (this) {
      if (flushing || unflushed.isEmpty()) {
        return;
      }
      flushing = true;
    }
    Thread _ = Thread.ofPlatform().daemon().name("flush-layers").start(this::flush);
  }

  private void flush() {
    while (true) {
      Set<Digest> batch;
      synchronized (this) {
        batch = Set.copyOf(unflushed);
        if (batch.isEmpty()) {
          flushing = false;
          notifyAll();
          return;
        }
      }
      try {
        FilesystemFlush.of(root);
      } catch (StageletException failure) {
        ImageEvent.LAYERS_NOT_DURABLE
            .on(LOG)
            .setCause(failure)
            .log(
                "new layers could not be flushed to disk, and are fetched again after a power cut: {}",
                StageletException.reason(failure));
        synchronized (this) {
          flushing = false;
          notifyAll();
        }
        return;
      }
      synchronized (this) {
        for (Digest diffId : batch) {
          markDurable(diffId);
        }
      }
    }
  }

  /** The mark itself needs no flush: without it, a good layer is fetched once more, no worse. */
  private void markDurable(Digest diffId) {
    unflushed.remove(diffId);
    if (!layers.containsKey(diffId)) {
      return;
    }
    try {
      Files.write(directory(diffId).resolve(DURABLE), new byte[0]);
    } catch (IOException failure) {
      ImageEvent.LAYERS_NOT_DURABLE
          .on(LOG)
          .log(
              "layer {} could not be marked as durable, and is fetched again after a power cut: {}",
              diffId,
              StageletException.reason(failure));
    }
  }

  /**
   * Takes layers out of the store, at once; their files are still to be deleted.
   *
   * @return directories for {@link #delete}
   */
  synchronized List<Path> take(Collection<Digest> diffIds) {
    return diffIds.stream()
        .filter(diffId -> layers.remove(diffId) != null)
        .map(diffId -> {
          unflushed.remove(diffId);
          Path aside = sessions.temporary();
          try {
            Files.move(directory(diffId), aside, StandardCopyOption.ATOMIC_MOVE);
          } catch (IOException failure) {
            throw StoreFiles.failed("remove layer", directory(diffId), failure);
          }
          return aside;
        })
        .toList();
  }

  /**
   * What is wrong with a layer's files; empty when nothing is.
   *
   * @param contents whether they are read, or only looked at
   */
  List<String> damage(Layer layer, boolean contents) {
    Path directory = directory(layer.diffId());
    return LayerContents.damage(
        directory.resolve(CONTENTS), directory.resolve("diff"), layer.room(), contents);
  }

  /**
   * Takes a damaged layer out of the store. What is mounted stays mounted: its files are kept until
   * {@link #takeCondemned}.
   */
  synchronized void condemn(Digest diffId) {
    if (layers.remove(diffId) == null) {
      return;
    }
    unflushed.remove(diffId);
    Path aside = condemned.resolve(diffId.hex() + "." + UUID.randomUUID());
    try {
      Files.move(directory(diffId), aside, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException failure) {
      throw StoreFiles.failed("set aside layer", directory(diffId), failure);
    }
  }

  /**
   * Takes away condemned layers that nobody needs any more.
   *
   * @param used digests of layers in use
   * @return directories for {@link #delete}
   */
  synchronized List<Path> takeCondemned(Set<Digest> used) {
    List<Path> garbage = new ArrayList<>();
    try {
      for (Path layer : StoreFiles.children(condemned)) {
        String name = layer.getFileName().toString();
        String hex = name.substring(0, Math.max(0, name.indexOf('.')));
        if (used.stream().noneMatch(diffId -> diffId.hex().equals(hex))) {
          Path aside = sessions.temporary();
          Files.move(layer, aside, StandardCopyOption.ATOMIC_MOVE);
          garbage.add(aside);
        }
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("remove", condemned, failure);
    }
    return garbage;
  }

  /** Deletes temporary directories, with all in them. */
  void delete(Collection<Path> temporary) {
    temporary.forEach(ConfinedTree::delete);
  }

  private Path directory(Digest diffId) {
    return layersDirectory.resolve(diffId.algorithm()).resolve(diffId.hex());
  }

  private static Path parentOf(Path path) {
    return java.util.Objects.requireNonNull(path.getParent());
  }

  /** Waits until the disk has all layers. */
  @Override
  public synchronized void close() {
    flushLater();
    while (flushing) {
      try {
        wait();
      } catch (InterruptedException interrupted) {
        // the next start goes on with it
        Thread.currentThread().interrupt();
        return;
      }
    }
  }
}
