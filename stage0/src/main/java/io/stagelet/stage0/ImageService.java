package io.stagelet.stage0;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The images on this machine: pulls them, keeps them, and forgets them.
 *
 * <p>Everything is on disk, and what is there is whole: a crash at any moment leaves at most files
 * that the next start removes. Layers are shared; one goes when neither an image nor a root
 * filesystem needs it.
 *
 * <p>Safe from any thread, and in several processes at a time: whoever changes the store locks it
 * for that moment, and what others changed is read anew.
 */
public final class ImageService implements AutoCloseable {
  private record PullKey(ImageReference reference, Credentials credentials) {}

  private static final Logger LOG = LoggerFactory.getLogger(ImageService.class);
  private static final Pattern HEX_PREFIX = Pattern.compile("(?:sha256:)?(?<hex>[0-9a-f]{6,64})");
  private static final int INODES_PER_LAYER_BESIDE_ITS_FILES = 4;

  private final Path directory;
  private final Clock clock;
  private final ImageSettings settings;
  private volatile List<String> pinnedNames; // the settings', until a reload
  private final StoreSessions sessions;
  private final Registries registries;
  private final RegistryClient registry;
  private final ImagePull pull;
  private final LayerUnpacker unpacker;
  private final LayerFetch layerFetch;
  private final RootFilesystems rootFilesystems;
  private final PullCounters counters = new PullCounters();

  // guarded by this, as are the records' and references' own states
  private final LayerStore layers;
  private final ImageRecords records;
  private final RootReferences roots;
  private final Map<Digest, Integer> pinned = new HashMap<>();
  private final Map<PullKey, RunningPull> running = new HashMap<>();

  private final Map<Digest, CompletableFuture<Void>> arriving = new ConcurrentHashMap<>();

  /**
   * Opens the store in {@code directory}, which is made where it is not there, and removes what
   * crashes have left.
   */
  public ImageService(Path directory, ImageSettings settings, Registries registries, Clock clock) {
    this.directory = directory.toAbsolutePath();
    this.clock = clock;
    this.settings = settings;
    this.pinnedNames = settings.pinned();
    makeStore(this.directory);
    this.sessions = new StoreSessions(this.directory);
    boolean opened = false;
    try {
      this.layers = new LayerStore(this.directory, sessions);
      this.records = new ImageRecords(this.directory);
      this.roots = new RootReferences(this.directory);
      this.layers.delete(
          changed(() -> {
            reload();
            return takeUnused();
          }));
      this.layers.flushLater();
      opened = true;
    } finally {
      if (!opened) {
        sessions.close();
      }
    }
    this.registries = registries;
    this.registry = new RegistryClient(settings.registry(), registries, clock, counters);
    this.pull =
        new ImagePull(
            registry, new PullStore(), settings.platform(), settings.registry().parallelLayers());
    this.unpacker = new LayerUnpacker(settings.limits());
    this.layerFetch =
        new LayerFetch(unpacker, settings.limits(), Runtime.getRuntime().availableProcessors());
    this.rootFilesystems = new RootFilesystems(this.directory, this);
    this.rootFilesystems.removeStaged();
  }

  /** From now on images of these names are not collected ({@link ImageSettings#pinned}). */
  public void pin(List<String> names) {
    pinnedNames = List.copyOf(names);
  }

  /**
   * Gets an image from its registry, or finds that all of it is here. The same image asked for by
   * several callers is pulled once. When the calling thread is interrupted, and nobody else waits
   * for the same, the pull ends and leaves nothing behind.
   *
   * @throws StageletException
   *     <ul>
   *       <li>{@code NOT_FOUND}: the registry does not have it;
   *       <li>{@code PERMISSION_DENIED}: it does not give it to these credentials;
   *       <li>{@code UNAVAILABLE}, its message with the word {@code RegistryUnavailable}: it does
   *           not answer, or stopped sending;
   *       <li>{@code DATA_LOSS}: what it sent has a wrong digest or is damaged;
   *       <li>{@code RESOURCE_EXHAUSTED}: the disk is full, or the image is larger than allowed;
   *       <li>{@code CANCELLED}: this thread was interrupted
   *     </ul>
   */
  public Image pull(ImageReference reference, Credentials credentials, PullListener listener) {
    PullKey key = new PullKey(reference, credentials);
    RunningPull joined;
    synchronized (this) {
      RunningPull there = running.get(key);
      if (there != null && there.join(listener)) {
        joined = there;
      } else {
        RunningPull begun = new RunningPull(reference.canonical(), settings.carried());
        boolean _ = begun.join(listener);
        running.put(key, begun);
        begun.start(
            (hears, mayFinish) -> pullNow(reference, credentials, hears, mayFinish),
            () -> ended(key, begun));
        joined = begun;
      }
    }
    return joined.await(listener);
  }

  /**
   * The same for a name as a person writes it: for one without a registry, the places it may be in
   * are tried in their order.
   */
  public Image pull(String name, Credentials credentials, PullListener listener) {
    List<StageletException> failures = new ArrayList<>();
    for (ImageReference candidate : registries.endpoints().candidates(name)) {
      try {
        return pull(candidate, credentials, listener);
      } catch (StageletException failure) {
        if (failure.code() == ErrorCode.CANCELLED) {
          throw failure;
        }
        failures.add(failure);
      }
    }
    throw MirroredRepository.all(failures, name);
  }

  /**
   * Brings the images of an OCI layout or of what {@code docker save} wrote; a directory, or a tar
   * archive, which is unpacked for it.
   *
   * @param name what the image is called; without, what the archive says
   * @throws StageletException {@code INVALID_ARGUMENT} when the archive is none, or does not say
   */
  public List<Image> importFrom(Path file, Optional<String> name) {
    Optional<Path> unpacked =
        Files.isDirectory(file) ? Optional.empty() : Optional.of(layers.newTemporary());
    try {
      unpacked.ifPresent(
          directory -> ImageArchive.unpack(file, unpacker, directory.resolve("diff")));
      ImageArchive archive =
          ImageArchive.of(unpacked.map(directory -> directory.resolve("diff")).orElse(file));
      if (name.isPresent() && archive.entries().size() != 1) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "%s has %d images, which cannot all be called %s"
                .formatted(file, archive.entries().size(), name.get()));
      }
      List<Image> imported = new ArrayList<>();
      for (ImageArchive.Entry entry : archive.entries()) {
        imported.add(importEntry(archive, entry, name));
      }
      return imported;
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED, "importing %s was cancelled".formatted(file), interrupted);
    } finally {
      unpacked.ifPresent(ConfinedTree::delete);
    }
  }

  /**
   * Writes an image to a tar archive, or into a directory that is there and empty: an OCI layout,
   * or what {@code docker load} wants. Its layers are packed anew; its id is another then.
   */
  public void exportTo(Image image, Path target, boolean docker) {
    PullStore store = new PullStore();
    // nobody removes its layers meanwhile
    store.pin(image.diffIds());
    Path temporary = layers.newTemporary();
    try {
      byte[] config =
          seen(() -> records.read(image.id().config()))
              .orElseThrow(() ->
                  new StageletException(
                      ErrorCode.NOT_FOUND, "image %s is not here any more".formatted(image.id())));
      if (Json.object(config, image.id().toString()).has("layers")) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "%s %s is an artifact, no image that could be run; it is not exported"
                .formatted(image.id(), image.tags()));
      }
      ImageExport export = new ImageExport(temporary.resolve("diff"));
      export.add(image, config, image.diffIds().stream().map(layers::files).toList(), docker);
      export.write(target);
    } finally {
      ConfinedTree.delete(temporary);
      store.unpin(image.diffIds());
    }
  }

  private Image importEntry(ImageArchive archive, ImageArchive.Entry entry, Optional<String> name)
      throws InterruptedException {
    List<String> names = name.map(List::of).orElse(entry.names());
    List<ImageReference> references =
        names.stream()
            .filter(text -> text.indexOf('/') >= 0 || text.indexOf(':') >= 0 || name.isPresent())
            .map(ImageReference::parse)
            .toList();
    if (references.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the archive does not say what the image %s is called (it says %s); give it a name"
              .formatted(entry.manifest().digest(), names));
    }
    Image image = null;
    for (ImageReference reference : references) {
      image = pull.run(archive, entry.manifest(), reference, PullListener.NONE, () -> true);
    }
    return java.util.Objects.requireNonNull(image);
  }

  /** Runs a change of the store, alone, on what is on disk. */
  private <T> T changed(Supplier<T> change) {
    synchronized (this) {
      try (var _ = sessions.change()) {
        if (sessions.changedElsewhere()) {
          reload();
        }
        sessions.changing();
        return change.get();
      }
    }
  }

  /** Runs a look at the store, as it is on disk. */
  private <T> T seen(Supplier<T> look) {
    synchronized (this) {
      if (sessions.changedElsewhere()) {
        try (var _ = sessions.change()) {
          reload();
          sessions.seen();
        }
      }
      return look.get();
    }
  }

  private List<String> reload() {
    layers.reload();
    List<String> damaged = new ArrayList<>(records.reload());
    roots.reload();
    damaged.addAll(dropIncompleteImages());
    return damaged;
  }

  private Image pullNow(
      ImageReference reference,
      Credentials credentials,
      PullListener listener,
      BooleanSupplier mayFinish)
      throws InterruptedException {
    ImageEvent.PULL_BEGUN.on(LOG).log("pulling image {}", reference);
    long start = System.nanoTime();
    counters.begun();
    try {
      PullLog log = new PullLog(reference, System::nanoTime);
      Image image =
          pull.run(
              reference,
              credentials,
              event -> {
                log.on(event);
                listener.on(event);
              },
              mayFinish);
      ImageEvent.PULLED
          .on(LOG)
          .log(
              "image {} is pulled, after {} ms ({})",
              reference,
              Duration.ofNanos(System.nanoTime() - start).toMillis(),
              image.id());
      counters.pulled();
      return image;
    } catch (StageletException failure) {
      counters.failed(failure.code());
      ImageEvent.PULL_FAILED
          .on(LOG)
          .log("image {} could not be pulled: {}", reference, failure.getMessage());
      throw failure;
    } catch (InterruptedException cancelled) {
      counters.failed(ErrorCode.CANCELLED);
      ImageEvent.PULL_GIVEN_UP
          .on(LOG)
          .log("the pull of image {} is given up: nobody waits for it any more", reference);
      throw cancelled;
    } finally {
      counters.ended();
    }
  }

  private synchronized void ended(PullKey key, RunningPull pull) {
    running.remove(key, pull);
  }

  /** All images. */
  public List<Image> list() {
    return seen(() -> records.all().stream().map(this::image).toList());
  }

  /**
   * The image that the CRI calls so: an id with or without {@code sha256:}, a name with tag or
   * digest, long or short ({@code busybox}), or the first 6 or more digits of an id where only one
   * has them.
   */
  public Optional<Image> find(String referenceOrId) {
    return seen(() -> findRecord(referenceOrId).map(this::image));
  }

  private Optional<ImageRecords.ImageRecord> findRecord(String text) {
    var hex = HEX_PREFIX.matcher(text);
    String prefix = hex.matches() ? hex.group("hex") : null;
    if (prefix != null && prefix.length() == 64) {
      return records.find(new ImageId(new Digest("sha256", prefix)));
    }
    Optional<ImageRecords.ImageRecord> named = findNamed(text);
    if (named.isPresent() || prefix == null) {
      return named;
    }
    List<ImageRecords.ImageRecord> matching =
        records.all().stream()
            .filter(record -> record.id().config().hex().startsWith(prefix))
            .toList();
    return matching.size() == 1 ? Optional.of(matching.getFirst()) : Optional.empty();
  }

  private Optional<ImageRecords.ImageRecord> findNamed(String text) {
    List<ImageReference> candidates;
    try {
      candidates = registries.endpoints().candidates(text);
    } catch (StageletException noName) {
      return Optional.empty();
    }
    for (ImageReference reference : candidates) {
      String name =
          reference
              .digest()
              .map(digest -> reference.name() + "@" + digest)
              .orElseGet(reference::canonical);
      Optional<ImageRecords.ImageRecord> found =
          records.all().stream()
              .filter(record -> record.tags().contains(name) || record.digests().contains(name))
              .findFirst();
      if (found.isPresent()) {
        return found;
      }
    }
    return Optional.empty();
  }

  /**
   * Forgets the image that {@link #find} finds, with all its names, at once; layers that nothing
   * else needs are deleted before this returns, and those that a root filesystem stands on, with
   * it.
   *
   * @return false when there is no such image
   */
  public boolean remove(String referenceOrId) {
    Optional<List<Path>> garbage =
        changed(() ->
            findRecord(referenceOrId)
                .map(found -> {
                  records.remove(found.id());
                  ImageEvent.IMAGE_REMOVED
                      .on(LOG)
                      .log("image {} {} is removed", found.id(), found.tags());
                  return takeUnused();
                }));
    garbage.ifPresent(layers::delete);
    return garbage.isPresent();
  }

  /** Whether a root filesystem is made of this image. */
  public boolean isUsed(Image image) {
    return seen(() -> roots.images().contains(image.id()));
  }

  /**
   * Removes images that no root filesystem is made of and that are not pinned.
   *
   * @param named also those that still have a name with a tag
   * @return what was removed
   */
  public List<Image> prune(boolean named) {
    List<Image> removed = new ArrayList<>();
    layers.delete(
        changed(() -> {
          for (Image image : records.all().stream().map(this::image).toList()) {
            boolean wanted = !named && !image.tags().isEmpty();
            if (!wanted && !image.pinned() && !roots.images().contains(image.id())) {
              records.remove(image.id());
              removed.add(image);
            }
          }
          return takeUnused();
        }));
    return removed;
  }

  /**
   * Looks for damage: of records, and of layers' files.
   *
   * @param contents whether all files are read, or only looked at
   * @param repair whether what is damaged is removed, so that the next pull brings it anew; what is
   *     mounted stays as it is
   * @return what is wrong, or was; empty when nothing is
   */
  public List<String> check(boolean contents, boolean repair) {
    List<String> found = new ArrayList<>();
    List<LayerStore.Layer> all =
        changed(() -> {
          found.addAll(reload());
          return layers.all();
        });
    for (LayerStore.Layer layer : all) {
      List<String> damage = layers.damage(layer, contents);
      if (damage.isEmpty() || seen(() -> layers.find(layer.diffId())).isEmpty()) {
        // good, or removed meanwhile
        continue;
      }
      damage.forEach(what -> found.add("layer %s: %s".formatted(layer.diffId(), what)));
      if (repair) {
        layers.delete(
            changed(() -> {
              layers.condemn(layer.diffId());
              dropIncompleteImages().forEach(found::add);
              return takeUnused();
            }));
      }
    }
    return found;
  }

  /** The room that the store takes, without a look at the disk. */
  public ImageFsUsage usage() {
    return seen(this::usageNow);
  }

  private ImageFsUsage usageNow() {
    long bytes = records.bytes();
    long inodes = records.inodes();
    for (LayerStore.Layer layer : layers.all()) {
      bytes += layer.room().bytes();
      inodes += layer.room().inodes() + INODES_PER_LAYER_BESIDE_ITS_FILES;
    }
    return new ImageFsUsage(directory, bytes, inodes, clock.instant());
  }

  /** What the pulls of this program have done up to now. */
  public PullCounters.Figures pulls() {
    return counters.figures();
  }

  /** Root filesystems made of these images. */
  public RootFilesystems rootFilesystems() {
    return rootFilesystems;
  }

  /** Cancels running pulls, waits until the disk has all layers, and leaves the store. */
  @Override
  public void close() {
    List<RunningPull> pulls;
    synchronized (this) {
      pulls = List.copyOf(running.values());
    }
    pulls.forEach(RunningPull::cancel);
    layers.close();
    sessions.close();
  }

  /**
   * Keeps an image's layers for a root filesystem, until {@link #release}.
   *
   * @return whether they were not kept for it before
   */
  boolean hold(Image image, Path target) {
    return changed(() -> holdNow(image, target));
  }

  private boolean holdNow(Image image, Path target) {
    Optional<RootReferences.Reference> there = roots.find(target);
    if (there.isPresent()) {
      if (there.get().image().equals(image.id())) {
        return false;
      }
      throw new StageletException(
          ErrorCode.ALREADY_EXISTS,
          "%s is the root filesystem of another image, %s; unmount it first"
              .formatted(target, there.get().image()));
    }
    for (Digest diffId : image.diffIds()) {
      if (layers.find(diffId).isEmpty()) {
        throw new StageletException(
            ErrorCode.NOT_FOUND,
            "image %s was removed: layer %s is not here; pull it again"
                .formatted(image.id(), diffId));
      }
    }
    roots.put(new RootReferences.Reference(target, image.id(), image.diffIds()));
    return true;
  }

  /** A root filesystem is gone, and with it layers that nothing else needs. */
  void release(Path target) {
    layers.delete(
        changed(() -> {
          if (roots.find(target).isEmpty()) {
            return List.<Path>of();
          }
          roots.remove(target);
          return takeUnused();
        }));
  }

  /** Targets of all root filesystems. */
  Set<Path> held() {
    return seen(roots::targets);
  }

  /**
   * Where the files of an image's layers are, the topmost first, as overlayfs wants them: each
   * once, and none below a layer that hides all.
   */
  synchronized List<Path> lower(Image image) {
    Set<Path> lower = new LinkedHashSet<>();
    for (Digest diffId : image.diffIds().reversed()) {
      lower.add(layers.files(diffId));
      if (layers.find(diffId).map(LayerStore.Layer::opaqueRoot).orElse(false)) {
        break;
      }
    }
    return List.copyOf(lower);
  }

  private Image image(ImageRecords.ImageRecord record) {
    long size = record.configSize();
    for (Digest diffId : new HashSet<>(record.diffIds())) {
      size += layers.find(diffId).map(layer -> layer.room().bytes()).orElse(0L);
    }
    return new Image(
        record.id(),
        record.tags(),
        record.digests(),
        size,
        record.config(),
        record.diffIds(),
        isPinned(record),
        record.artifact());
  }

  private boolean isPinned(ImageRecords.ImageRecord record) {
    return pinnedNames.stream()
        .map(NamePattern::new)
        .anyMatch(pattern ->
            record.tags().stream().anyMatch(pattern::matches)
                || record.digests().stream().anyMatch(pattern::matches));
  }

  /** Says what was dropped. */
  private List<String> dropIncompleteImages() {
    List<String> dropped = new ArrayList<>();
    for (ImageRecords.ImageRecord record : List.copyOf(records.all())) {
      for (Digest diffId : record.diffIds()) {
        if (layers.find(diffId).isEmpty()) {
          String what =
              "image %s %s lacks layer %s and is removed; pull it again"
                  .formatted(record.id(), record.tags(), diffId);
          ImageEvent.STORE_DAMAGED.on(LOG).log("{}", what);
          dropped.add(what);
          records.remove(record.id());
          break;
        }
      }
    }
    return dropped;
  }

  private List<Path> takeUnused() {
    Set<Digest> mounted = roots.layers();
    Set<Digest> used = new HashSet<>(mounted);
    used.addAll(pinned.keySet());
    records.all().forEach(record -> used.addAll(record.diffIds()));
    List<Digest> unused =
        new ArrayList<>(
            layers.all().stream()
                .map(LayerStore.Layer::diffId)
                .filter(diffId -> !used.contains(diffId))
                .toList());
    if (!unused.isEmpty()) {
      unused.removeAll(sessions.pinnedElsewhere());
    }
    List<Path> garbage = new ArrayList<>(layers.take(unused));
    garbage.addAll(layers.takeCondemned(mounted));
    return garbage;
  }

  private static void makeStore(Path directory) {
    try {
      if (!Files.isDirectory(directory)) {
        Files.createDirectories(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not open the image store %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  /** What a pull sees of this service. */
  private final class PullStore implements ImagePull.Store {
    @Override
    public Optional<byte[]> blob(Digest digest) {
      synchronized (ImageService.this) {
        return records.read(digest);
      }
    }

    @Override
    public boolean hasLayer(Digest diffId) {
      return layers.find(diffId).isPresent();
    }

    @Override
    public void pin(List<Digest> diffIds) {
      boolean _ =
          changed(() -> {
            diffIds.forEach(diffId -> pinned.merge(diffId, 1, Integer::sum));
            sessions.pin(diffIds);
            return true;
          });
    }

    @Override
    public void unpin(List<Digest> diffIds) {
      layers.delete(
          changed(() -> {
            diffIds.forEach(diffId ->
                pinned.computeIfPresent(diffId, (d, count) -> count > 1 ? count - 1 : null));
            sessions.unpin(diffIds.stream().filter(diffId -> !pinned.containsKey(diffId)).toList());
            // after a failed pull, the layers that did arrive belong to nobody
            return takeUnused();
          }));
      layers.flushLater();
    }

    @Override
    public void getLayer(ImageSource source, ImagePart part, PullListener listener)
        throws InterruptedException {
      Digest diffId = part.diffId();
      while (!hasLayer(diffId)) {
        CompletableFuture<Void> mine = new CompletableFuture<>();
        CompletableFuture<Void> others = arriving.putIfAbsent(diffId, mine);
        if (others != null) {
          awaitQuietly(others);
          continue;
        }
        try {
          if (!hasLayer(diffId)) {
            fetch(source, part, listener);
          }
        } finally {
          arriving.remove(diffId, mine);
          mine.complete(null);
        }
      }
      listener.on(new PullEvent.LayerUnpacked(part.blob().digest()));
    }

    /** However it went: the layer is here then, or this pull's to fetch. */
    private static void awaitQuietly(CompletableFuture<Void> others) throws InterruptedException {
      try {
        others.get();
      } catch (ExecutionException never) {
        throw new IllegalStateException("it only ever completes normally", never);
      }
    }

    private void fetch(ImageSource source, ImagePart part, PullListener listener)
        throws InterruptedException {
      BlobDescriptor blob = part.blob();
      Digest diffId = part.diffId();
      listener.on(new PullEvent.LayerStarted(blob.digest(), blob.size()));
      Path temporary = layers.newTemporary();
      try {
        LayerUnpacker.Unpacked unpacked =
            layerFetch.fetch(
                source,
                part,
                temporary.resolve("diff"),
                received -> listener.on(new PullEvent.LayerProgress(blob.digest(), received)));
        if (!unpacked.refusedXattrs().isEmpty()) {
          ImageEvent.ATTRIBUTES_REFUSED
              .on(LOG)
              .log(
                  "layer {} is without its extended attributes {}: the filesystem of {} does not take them",
                  diffId,
                  unpacked.refusedXattrs(),
                  directory);
        }
        counters.unpacked();
        LayerStore.Layer published = changed(() -> layers.publish(diffId, temporary, unpacked));
        LOG.debug("Layer {} takes {}", published.diffId(), published.room());
      } finally {
        // gone already when it was published
        ConfinedTree.delete(temporary);
      }
    }

    @Override
    public Image publish(
        ImageReference reference,
        Digest manifest,
        ImageRecords.ImageRecord record,
        Map<Digest, byte[]> blobs) {
      return changed(() -> publishNow(reference, manifest, record, blobs));
    }

    private Image publishNow(
        ImageReference reference,
        Digest manifest,
        ImageRecords.ImageRecord record,
        Map<Digest, byte[]> blobs) {
      Optional<ImageRecords.ImageRecord> there = records.find(record.id());
      Set<String> tags = new LinkedHashSet<>();
      Set<String> digests = new LinkedHashSet<>();
      Set<Digest> allBlobs = new HashSet<>(record.blobs());
      there.ifPresent(old -> {
        tags.addAll(old.tags());
        digests.addAll(old.digests());
        allBlobs.addAll(old.blobs());
      });
      digests.add(reference.name() + "@" + manifest);
      if (reference.digest().isEmpty()) {
        tags.add(reference.canonical());
      }
      ImageRecords.ImageRecord named =
          new ImageRecords.ImageRecord(
              record.id(),
              List.copyOf(tags),
              List.copyOf(digests),
              allBlobs,
              record.config(),
              record.diffIds(),
              record.artifact(),
              record.configSize());
      if (there.isEmpty() || !there.get().equals(named)) {
        records.put(named, blobs);
      }
      // a tag leads to one image; taken from the old one only when the new one has it
      if (reference.digest().isEmpty()) {
        moveTag(reference.canonical(), record.id());
      }
      return image(named);
    }

    private void moveTag(String tag, ImageId to) {
      for (ImageRecords.ImageRecord other : List.copyOf(records.all())) {
        if (!other.id().equals(to) && other.tags().contains(tag)) {
          List<String> left = new ArrayList<>(other.tags());
          left.remove(tag);
          records.put(other.named(left, other.digests()), Map.of());
        }
      }
    }
  }
}
