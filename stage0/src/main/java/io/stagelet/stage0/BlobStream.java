package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A blob's bytes from a registry, resumed where a connection breaks or falls silent; when no byte
 * came in several attempts in a row, resumed at the next place that has the repository, and failed
 * when there is none. For one thread.
 */
final class BlobStream implements ImageSource.PackedLayer {
  private final MirroredRepository repository;
  private final BlobDescriptor blob;
  private final List<StageletException> given = new ArrayList<>();
  private @Nullable BodyReader body;
  private @Nullable ByteBuffer buffer;
  private long position;
  private int failures;

  BlobStream(MirroredRepository repository, BlobDescriptor blob) {
    this.repository = repository;
    this.blob = blob;
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public int read(byte[] target) throws InterruptedException {
    while (position < blob.size()) {
      try {
        int count = readSome(target);
        if (count > 0) {
          position += count;
          failures = 0;
          return count;
        }
        throw new IOException("the connection was closed early");
      } catch (IOException broken) {
        close();
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

  private int readSome(byte[] target) throws IOException, InterruptedException {
    if (body == null) {
      open();
    }
    ByteBuffer from = buffer;
    if (from == null || !from.hasRemaining()) {
      from = java.util.Objects.requireNonNull(body).next(place().silence());
      buffer = from;
      if (from == null) {
        return -1;
      }
    }
    if (from.remaining() > blob.size() - position) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "blob %s of %s is longer than the %d bytes that its manifest says"
              .formatted(blob.digest(), place(), blob.size()));
    }
    int count = Math.min(from.remaining(), target.length);
    from.get(target, 0, count);
    return count;
  }

  private void open() throws IOException, InterruptedException {
    RemoteRepository.BlobBody opened = opened();
    body = opened.body();
    // a server without ranges sends all of it again
    for (long skip = position - opened.start(); skip > 0; ) {
      ByteBuffer next = body.next(place().silence());
      if (next == null) {
        throw new IOException("the connection was closed early");
      }
      int skipped = (int) Math.min(skip, next.remaining());
      next.position(next.position() + skipped);
      skip -= skipped;
      buffer = next;
    }
  }

  private RemoteRepository.BlobBody opened() throws InterruptedException {
    while (true) {
      try {
        return place().open(blob.digest(), position);
      } catch (StageletException refused) {
        elsewhere(refused);
      }
    }
  }

  @Override
  public void close() {
    buffer = null;
    if (body != null) {
      body.close();
      body = null;
    }
  }
}
