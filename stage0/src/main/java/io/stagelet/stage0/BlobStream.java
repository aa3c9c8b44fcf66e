package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A blob's bytes from a registry, or some of them, resumed where a connection breaks or falls
 * silent; when no byte came in several attempts in a row, resumed at the next place that has the
 * repository, and failed when there is none. For one thread.
 */
final class BlobStream implements ImageSource.PackedLayer {
  private static final int SKIPPED_AT_ONCE = 32 << 10;

  private final MirroredRepository repository;
  private final BlobDescriptor blob;
  private final List<StageletException> given = new ArrayList<>();
  private @Nullable BodyReader body;
  private final long end;
  private long position;
  private int failures;
  private boolean ranges;

  /** All of the blob. */
  BlobStream(MirroredRepository repository, BlobDescriptor blob) {
    this(repository, blob, 0, blob.size());
  }

  /** Its bytes from {@code start} to {@code end} (exclusive). */
  BlobStream(MirroredRepository repository, BlobDescriptor blob, long start, long end) {
    this.repository = repository;
    this.blob = blob;
    this.position = start;
    this.end = end;
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public int read(byte[] target) throws InterruptedException {
    while (position < end) {
      try {
        int count = readSome(target);
        if (count > 0) {
          position += count;
          failures = 0;
          repository.transfers().counters().received(count);
          return count;
        }
        throw new IOException("the connection was closed early");
      } catch (IOException broken) {
        close();
        repository.transfers().counters().interrupted(broken);
        failures++;
        if (failures < place().attempts()) {
          Thread.sleep(place().pause(failures));
          continue;
        }
        elsewhere(
            RegistryAnswers.unavailable(
                "blob %s of %s broke off at byte %d of %d, %d times: %s"
                    .formatted(
                        blob.digest(),
                        place(),
                        position,
                        blob.size(),
                        failures,
                        StageletException.reason(broken)),
                broken));
      }
    }
    return -1;
  }

  private RemoteRepository place() {
    return repository.places().get(given.size());
  }

  /** Goes on at the next place, from where this one left off. */
  private void elsewhere(StageletException failure) {
    close();
    given.add(failure);
    if (given.size() == repository.places().size()) {
      throw MirroredRepository.all(given, blob.digest().toString());
    }
    failures = 0;
  }

  /** Whether the registry has said that it serves ranges. */
  boolean ranges() {
    return ranges;
  }

  private int readSome(byte[] target) throws IOException, InterruptedException {
    if (body == null) {
      open();
    }
    BodyReader from = java.util.Objects.requireNonNull(body);
    int count = from.read(target, 0, (int) Math.min(target.length, end - position));
    if (position + count == end && from.hasMore()) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          end == blob.size()
              ? "blob %s of %s is longer than the %d bytes that its manifest says"
                  .formatted(blob.digest(), place(), blob.size())
              : "%s sends more of blob %s than the range that was asked for"
                  .formatted(place(), blob.digest()));
    }
    return count;
  }

  private void open() throws IOException, InterruptedException {
    RemoteRepository.BlobBody opened = opened();
    body = opened.body();
    ranges = opened.ranges();
    if (end < blob.size() && opened.start() < position) {
      // it would be all of the blob, again and again
      throw new StageletException(
          ErrorCode.UNIMPLEMENTED, place() + " serves no ranges, though it said so");
    }
    // a server without ranges sends all of it again
    byte[] unwanted = new byte[SKIPPED_AT_ONCE];
    for (long skip = position - opened.start(); skip > 0; ) {
      int count = opened.body().read(unwanted, 0, (int) Math.min(skip, unwanted.length));
      if (count < 0) {
        throw new IOException("the connection was closed early");
      }
      skip -= count;
    }
  }

  private RemoteRepository.BlobBody opened() throws InterruptedException {
    while (true) {
      try {
        return end == blob.size()
            ? place().open(blob.digest(), position)
            : place().open(blob.digest(), position, end);
      } catch (StageletException refused) {
        elsewhere(refused);
      }
    }
  }

  @Override
  public void close() {
    if (body != null) {
      body.close();
      body = null;
    }
  }
}
