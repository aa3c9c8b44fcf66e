package io.stagelet.stage0;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongConsumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Fetches one layer and unpacks it while it comes. Three threads, so that decompression, which is
 * the slowest, has one for itself:
 *
 * <pre>
 *   caller (virtual)         inflater (platform)       unpacker (platform)
 *   registry → SHA-256  ──▶  gzip, zstd  ───────────▶  SHA-256 → tar → files
 *              of the blob                             of the archive
 * </pre>
 *
 * <p>On a machine with one processor the last two are one: handing over would only cost. They are
 * platform threads because they compute, and would keep the virtual threads' few carriers from
 * everybody else. Both digests are checked before this returns; until then the directory is worth
 * nothing.
 */
final class LayerFetch {
  private static final int FILE_MODE = 0644;

  private final LayerUnpacker unpacker;
  private final UnpackLimits limits;
  private final boolean parallel;

  LayerFetch(LayerUnpacker unpacker, UnpackLimits limits, int processors) {
    this.unpacker = unpacker;
    this.limits = limits;
    this.parallel = processors > 1;
  }

  /**
   * Fetches {@code part} into {@code directory}: unpacks an archive, writes a file.
   *
   * @param progress hears how many bytes of the blob have come
   * @throws StageletException {@code DATA_LOSS} when a digest is wrong, or what else went wrong
   * @throws InterruptedException when the caller was interrupted; the other threads have ended then
   */
  LayerUnpacker.Unpacked fetch(
      ImageSource source, ImagePart part, Path directory, LongConsumer progress)
      throws InterruptedException {
    return part.file().isPresent()
        ? file(source, part.blob(), part.file().get(), directory, progress)
        : archive(source, part.blob(), part.diffId(), directory, progress);
  }

  private LayerUnpacker.Unpacked file(
      ImageSource source, BlobDescriptor blob, TreePath path, Path directory, LongConsumer progress)
      throws InterruptedException {
    if (blob.size() > limits.bytes()) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "%s has %d bytes, more than the %d that are allowed"
              .formatted(path, blob.size(), limits.bytes()));
    }
    MessageDigest digest = blob.digest().hasher();
    CRC32C checksum = new CRC32C();
    LayerContents contents = new LayerContents();
    try (ImageSource.PackedLayer stream = source.open(blob);
        ConfinedTree tree = ConfinedTree.open(directory);
        ConfinedTree.NewFile file = tree.file(path)) {
      byte[] buffer = new byte[128 << 10];
      long position = 0;
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        digest.update(buffer, 0, count);
        checksum.update(buffer, 0, count);
        file.write(position, buffer, 0, count);
        position += count;
        progress.accept(position);
      }
      blob.digest().verify(blob.digest().finish(digest), "the blob");
      file.finish(position, new FileAttributes(0, 0, FILE_MODE, 0, 0, Map.of()));
      contents.file(path, position, Optional.of(checksum));
      tree.finish();
      return new LayerUnpacker.Unpacked(
          tree.room(), false, tree.implicitDirectories(), tree.refusedXattrs(), contents);
    } catch (IOException failed) {
      throw rethrown(failed);
    }
  }

  private LayerUnpacker.Unpacked archive(
      ImageSource source, BlobDescriptor blob, Digest diffId, Path directory, LongConsumer progress)
      throws InterruptedException {
    ByteRelay packed = new ByteRelay();
    ByteRelay archive = new ByteRelay();
    MessageDigest archiveDigest = diffId.hasher();
    // both hold the first failure; a later one follows from it
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    AtomicReference<LayerUnpacker.@Nullable Unpacked> result = new AtomicReference<>();
    InputStream packedEnd = packed.reader();
    Optional<Thread> inflater =
        parallel
            ? Optional.of(
                Thread.ofPlatform()
                    .daemon()
                    .name("inflate-" + blob.digest().hex().substring(0, 12))
                    .start(() -> inflate(packedEnd, archive, failure)))
            : Optional.empty();
    Thread unpacking =
        Thread.ofPlatform()
            .daemon()
            .name("unpack-" + blob.digest().hex().substring(0, 12))
            .start(() -> {
              try (InputStream archiveEnd =
                  parallel
                      ? archive.reader(archiveDigest)
                      : new DigestInputStream(Compression.unpacked(packedEnd), archiveDigest)) {
                result.set(unpacker.unpack(archiveEnd, directory));
              } catch (IOException | RuntimeException | Error failed) {
                failure.compareAndSet(null, failed);
              }
            });
    @Nullable Digest received;
    try {
      received = download(source, blob, packed, progress);
    } catch (InterruptedException | RuntimeException | Error failed) {
      failure.compareAndSet(null, failed);
      packed.fail(failed);
      inflater.ifPresent(LayerFetch::joinUninterruptibly);
      joinUninterruptibly(unpacking);
      if (failed instanceof InterruptedException interrupted) {
        throw interrupted;
      }
      throw rethrown(failed);
    } catch (IOException readerGone) {
      failure.compareAndSet(null, readerGone);
      received = null;
    }
    inflater.ifPresent(LayerFetch::joinUninterruptibly);
    joinUninterruptibly(unpacking);
    if (received != null) {
      // before what the unpacker says: a damaged blob unpacks badly
      blob.digest().verify(received, "the blob");
    }
    LayerUnpacker.Unpacked unpacked = result.get();
    if (unpacked == null || failure.get() != null) {
      throw rethrown(failure.get());
    }
    diffId.verify(diffId.finish(archiveDigest), "the unpacked layer");
    return unpacked;
  }

  /** The digest of what came. */
  private static Digest download(
      ImageSource source, BlobDescriptor blob, ByteRelay packed, LongConsumer progress)
      throws IOException, InterruptedException {
    MessageDigest digest = blob.digest().hasher();
    try (ImageSource.PackedLayer stream = source.open(blob)) {
      byte[] buffer = packed.buffer();
      for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
        digest.update(buffer, 0, count);
        packed.send(buffer, count);
        progress.accept(stream.position());
        buffer = packed.buffer();
      }
    }
    packed.end();
    return blob.digest().finish(digest);
  }

  private static void inflate(
      InputStream packed, ByteRelay archive, AtomicReference<@Nullable Throwable> failure) {
    try (packed;
        InputStream unpacked = Compression.unpacked(packed)) {
      byte[] buffer = archive.buffer();
      // full ones: each costs a change of threads
      for (int count = unpacked.readNBytes(buffer, 0, buffer.length);
          count > 0;
          count = unpacked.readNBytes(buffer, 0, buffer.length)) {
        archive.send(buffer, count);
        buffer = archive.buffer();
      }
      archive.end();
    } catch (IOException | InterruptedException | RuntimeException | Error failed) {
      failure.compareAndSet(null, failed);
      archive.fail(failed);
    }
  }

  private static void joinUninterruptibly(Thread thread) {
    boolean interrupted = false;
    while (true) {
      try {
        thread.join();
        break;
      } catch (InterruptedException again) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static StageletException rethrown(@Nullable Throwable failure) {
    return switch (failure) {
      case null -> new StageletException(ErrorCode.INTERNAL, "the layer's unpacking did not end");
      case StageletException known -> known;
      case Error error -> throw error;
      case IOException damaged ->
          new StageletException(
              ErrorCode.DATA_LOSS,
              "the layer cannot be unpacked: " + StageletException.reason(damaged),
              damaged);
      default ->
          new StageletException(
              ErrorCode.INTERNAL,
              "the layer cannot be unpacked: " + StageletException.reason(failure),
              failure);
    };
  }
}
