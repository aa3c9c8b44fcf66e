package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/**
 * One pull, from the reference to an image in the store: manifest, choice of the platform,
 * configuration, layers side by side, record. Runs in the thread that calls it; an interrupt ends
 * it, with nothing left behind.
 */
final class ImagePull {
  /** The part of the image service that a pull works on. */
  interface Store {
    /** A document that is here. */
    java.util.Optional<byte[]> blob(Digest digest);

    /** Whether the layer is here; while pinned, it stays. */
    boolean hasLayer(Digest diffId);

    /** Keeps these layers, here or coming, from being removed until {@link #unpin}. */
    void pin(List<Digest> diffIds);

    void unpin(List<Digest> diffIds);

    /** Makes the layer be here; waits where another pull is just getting it. */
    void getLayer(ImageSource source, ImagePart part, PullListener listener)
        throws InterruptedException;

    /** Makes the image be here, under the names that it was asked for by. */
    Image publish(
        ImageReference reference,
        Digest manifest,
        ImageRecords.ImageRecord record,
        Map<Digest, byte[]> blobs);
  }

  private static final int DEEPEST_INDEX = 4;

  private final RegistryClient registry;
  private final Store store;
  private final Platform platform;
  private final int parallelLayers;

  ImagePull(RegistryClient registry, Store store, Platform platform, int parallelLayers) {
    this.registry = registry;
    this.store = store;
    this.platform = platform;
    this.parallelLayers = parallelLayers;
  }

  /**
   * Pulls {@code reference}.
   *
   * @param mayFinish see {@link RunningPull.Work}
   */
  Image run(
      ImageReference reference,
      Credentials credentials,
      PullListener listener,
      BooleanSupplier mayFinish)
      throws InterruptedException {
    RegistryClient.Found found =
        stage("resolving " + reference, () -> registry.find(reference, credentials));
    return run(
        found.repository(),
        found.manifest(),
        reference,
        listener,
        mayFinish,
        manifests ->
            stage(
                "checking the signatures of " + reference,
                () -> {
                  registry.check(reference, manifests, found.repository());
                  return true;
                }));
  }

  /** Takes an image from where it has been found, without asking for signatures. */
  Image run(
      ImageSource source,
      RemoteRepository.Manifest found,
      ImageReference reference,
      PullListener listener,
      BooleanSupplier mayFinish)
      throws InterruptedException {
    return run(source, found, reference, listener, mayFinish, manifests -> true);
  }

  @FunctionalInterface
  private interface Check {
    /** Fails, or is true. */
    boolean of(Set<Digest> manifests) throws InterruptedException;
  }

  private Image run(
      ImageSource source,
      RemoteRepository.Manifest found,
      ImageReference reference,
      PullListener listener,
      BooleanSupplier mayFinish,
      Check check)
      throws InterruptedException {
    SequencedMap<Digest, byte[]> blobs = new LinkedHashMap<>();
    ImageManifest manifest =
        stage(
            "reading the manifest of " + reference, () -> choose(source, found, reference, blobs));
    if (!check.of(blobs.keySet())) {
      throw new IllegalStateException("a check fails with an exception");
    }
    ImageRecords.ImageRecord record =
        manifest.artifact()
            ? artifact(blobs)
            : stage(
                "reading the configuration of " + reference,
                () -> configuration(source, manifest, blobs));
    List<Digest> diffIds = record.diffIds();
    List<ImagePart> parts =
        manifest.artifact() ? ArtifactFiles.of(manifest) : ImagePart.of(manifest, diffIds);
    listener.on(
        new PullEvent.Resolved(
            record.id(),
            diffIds.size(),
            manifest.layers().stream().mapToLong(BlobDescriptor::size).sum()));
    store.pin(diffIds);
    try {
      layers(source, parts, reference, listener);
      if (!mayFinish.getAsBoolean()) {
        throw new InterruptedException("nobody waits for the image any more");
      }
      return store.publish(reference, found.digest(), record, blobs);
    } finally {
      store.unpin(diffIds);
    }
  }

  /** The image's own manifest: what was found, or the platform's in the index that was found. */
  private ImageManifest choose(
      ImageSource source,
      RemoteRepository.Manifest found,
      ImageReference reference,
      Map<Digest, byte[]> blobs)
      throws InterruptedException {
    RemoteRepository.Manifest current = found;
    for (int depth = 0; depth < DEEPEST_INDEX; depth++) {
      blobs.put(current.digest(), current.bytes());
      switch (ManifestDocument.parse(current.bytes(), "manifest " + current.digest())) {
        case ImageManifest manifest -> {
          return manifest;
        }
        case ImageIndex(List<ImageIndex.Entry> entries) -> {
          BlobDescriptor next =
              platform
                  .choose(entries)
                  .orElseThrow(() -> noSuchPlatform(reference, entries))
                  .manifest();
          byte[] known = store.blob(next.digest()).orElse(null);
          current =
              known == null
                  ? source.manifest(next.digest().toString())
                  : new RemoteRepository.Manifest(known, next.digest());
        }
      }
    }
    throw new StageletException(
        ErrorCode.DATA_LOSS,
        "%s is an index in an index, %d deep".formatted(reference, DEEPEST_INDEX));
  }

  private StageletException noSuchPlatform(
      ImageReference reference, List<ImageIndex.Entry> entries) {
    List<String> others =
        entries.stream()
            .flatMap(entry -> entry.platform().stream())
            .map(Platform::toString)
            .filter(text -> !text.startsWith("unknown/"))
            .distinct()
            .toList();
    return new StageletException(
        ErrorCode.NOT_FOUND,
        "%s has no image for %s, only for %s"
            .formatted(reference, platform, String.join(", ", others)));
  }

  /** The record of an artifact, whose manifest was read last. */
  private static ImageRecords.ImageRecord artifact(SequencedMap<Digest, byte[]> blobs) {
    Map.Entry<Digest, byte[]> manifest = blobs.lastEntry();
    return ImageRecords.record(
        new ImageId(manifest.getKey()),
        manifest.getValue(),
        List.of(),
        List.of(),
        Set.copyOf(blobs.keySet()));
  }

  private ImageRecords.ImageRecord configuration(
      ImageSource source, ImageManifest manifest, Map<Digest, byte[]> blobs)
      throws InterruptedException {
    BlobDescriptor descriptor = manifest.config();
    byte[] known = store.blob(descriptor.digest()).orElse(null);
    byte[] document = known == null ? source.document(descriptor) : known;
    Set<Digest> all = new HashSet<>(blobs.keySet());
    all.add(descriptor.digest());
    ImageRecords.ImageRecord record =
        ImageRecords.record(new ImageId(descriptor.digest()), document, List.of(), List.of(), all);
    if (record.diffIds().size() != manifest.layers().size()) {
      throw new StageletException(
          record.diffIds().isEmpty() ? ErrorCode.INVALID_ARGUMENT : ErrorCode.DATA_LOSS,
          "the configuration (%s) tells of %d layers and the manifest of %d; it is damaged"
              .formatted(
                  descriptor.mediaType(), record.diffIds().size(), manifest.layers().size()));
    }
    String os = record.config().os();
    if (!os.isEmpty() && !os.equals(platform.os())) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "the image is for %s, not %s".formatted(os, platform.os()));
    }
    blobs.put(descriptor.digest(), document);
    return record;
  }

  private void layers(
      ImageSource source, List<ImagePart> parts, ImageReference reference, PullListener listener)
      throws InterruptedException {
    // the largest first: they take longest, and the small ones fill the gaps
    List<Integer> order =
        IntStream.range(0, parts.size())
            .boxed()
            .sorted(Comparator.comparingLong((Integer i) -> parts.get(i).blob().size()).reversed())
            .toList();
    List<Integer> missing = new ArrayList<>();
    for (int index : order) {
      if (store.hasLayer(parts.get(index).diffId())) {
        listener.on(new PullEvent.LayerPresent(parts.get(index).blob().digest()));
      } else {
        missing.add(index);
      }
    }
    Semaphore slots = new Semaphore(parallelLayers, true);
    ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
    try {
      ExecutorCompletionService<Integer> done = new ExecutorCompletionService<>(executor);
      for (int index : missing) {
        var _ =
            done.submit(() -> {
              slots.acquire();
              try {
                stage(
                    "pulling layer %d of %d of %s".formatted(index + 1, parts.size(), reference),
                    () -> {
                      store.getLayer(source, parts.get(index), listener);
                      return index;
                    });
              } finally {
                slots.release();
              }
              return index;
            });
      }
      for (int i = 0; i < missing.size(); i++) {
        done.take().get();
      }
    } catch (ExecutionException failure) {
      throw unwrapped(failure);
    } finally {
      // interrupts those that still run, and waits until they have cleaned up
      executor.shutdownNow();
      executor.close();
    }
  }

  private static StageletException unwrapped(ExecutionException failure) {
    return switch (failure.getCause()) {
      case StageletException known -> known;
      case Error error -> throw error;
      case null, default ->
          new StageletException(
              ErrorCode.INTERNAL,
              "a layer's pull failed: " + StageletException.reason(failure),
              failure);
    };
  }

  @FunctionalInterface
  private interface Work<T> {
    T run() throws InterruptedException;
  }

  /** Says in an error where it happened. */
  private static <T> T stage(String stage, Work<T> work) throws InterruptedException {
    try {
      return work.run();
    } catch (StageletException failure) {
      throw new StageletException(
          failure.code(), "%s: %s".formatted(stage, failure.getMessage()), failure);
    }
  }
}
