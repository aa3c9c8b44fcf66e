package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A blob's bytes in their order. They come over one connection; when the first range's worth took
 * mostly waiting, much is left, and the registry serves ranges, the rest comes over several:
 *
 * <pre>
 *   one connection ──────▶│ 4 MiB │
 *                         several │ range │ range │ range │ …   each a {@link BlobStream},
 *                                                               resumed and mirrored by itself
 * </pre>
 *
 * <p>Where this machine is what takes the time, more connections would only cost. Ranges wait in
 * memory for their turn, so only one layer at a time comes so. What goes wrong with them ends them,
 * and the rest comes over one connection again. For one thread.
 */
final class RangedBlob implements ImageSource.PackedLayer {
  private static final Logger LOG = LoggerFactory.getLogger(RangedBlob.class);

  /** The part of the time that must have been spent waiting. */
  private static final double MOSTLY = 0.6;

  private final MirroredRepository repository;
  private final BlobDescriptor blob;
  private final Transfers transfers;
  private BlobStream single;
  private @Nullable Ranges ranges;
  private boolean decided;
  private long position;
  private long begun;
  private long waited;

  RangedBlob(MirroredRepository repository, BlobDescriptor blob) {
    this.repository = repository;
    this.blob = blob;
    this.transfers = repository.transfers();
    this.single = new BlobStream(repository, blob);
    // too small to be worth it
    this.decided =
        transfers.settings().parallelRanges() == 1
            || blob.size() < 4L * transfers.settings().rangeBytes();
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public int read(byte[] target) throws InterruptedException {
    Ranges several = ranges;
    if (several != null) {
      try {
        int count = several.read(target);
        position += Math.max(0, count);
        return count;
      } catch (StageletException failure) {
        ImageEvent.CONNECTIONS_REDUCED
            .on(LOG)
            .log(
                "the rest of layer {} comes over one connection, since several failed: {}",
                blob.digest(),
                StageletException.reason(failure));
        end(several);
        single = new BlobStream(repository, blob, position, blob.size());
      }
    }
    long before = System.nanoTime();
    if (begun == 0) {
      begun = before;
    }
    int count = single.read(target);
    waited += System.nanoTime() - before;
    position += Math.max(0, count);
    decide();
    return count;
  }

  private void decide() {
    if (decided || position < transfers.settings().rangeBytes()) {
      return;
    }
    decided = true;
    boolean slow = waited > MOSTLY * (System.nanoTime() - begun);
    if (slow && single.ranges() && transfers.ranged().tryAcquire()) {
      single.close();
      ranges = new Ranges();
      transfers.counters().ranged();
      LOG.debug("Layer {} comes over several connections from byte {} on", blob.digest(), position);
    }
  }

  private void end(Ranges several) {
    ranges = null;
    several.close();
    transfers.ranged().release();
  }

  @Override
  public void close() {
    Ranges several = ranges;
    if (several != null) {
      end(several);
    }
    single.close();
  }

  /** The ranges from {@link #position} on. */
  private final class Ranges implements AutoCloseable {
    private static final byte[] NOTHING = {};

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Queue<Future<byte[]>> coming = new ArrayDeque<>();
    private long asked = position;
    private byte[] current = NOTHING;
    private int taken;

    Ranges() {
      for (int i = 0; i < transfers.settings().parallelRanges(); i++) {
        ask();
      }
    }

    private void ask() {
      long start = asked;
      long end = Math.min(blob.size(), start + transfers.settings().rangeBytes());
      if (start < end) {
        asked = end;
        coming.add(threads.submit(() -> fetch(start, end)));
      }
    }

    private byte[] fetch(long start, long end) throws InterruptedException {
      byte[] range = new byte[(int) (end - start)];
      byte[] buffer = new byte[Math.min(64 << 10, range.length)];
      try (BlobStream stream = new BlobStream(repository, blob, start, end)) {
        int filled = 0;
        for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
          System.arraycopy(buffer, 0, range, filled, count);
          filled += count;
        }
        return range;
      }
    }

    int read(byte[] target) throws InterruptedException {
      if (taken == current.length) {
        Future<byte[]> next = coming.poll();
        if (next == null) {
          return -1;
        }
        current = of(next);
        taken = 0;
        ask();
      }
      int count = Math.min(target.length, current.length - taken);
      System.arraycopy(current, taken, target, 0, count);
      taken += count;
      return count;
    }

    private static byte[] of(Future<byte[]> range) throws InterruptedException {
      try {
        return range.get();
      } catch (ExecutionException failure) {
        throw switch (failure.getCause()) {
          case StageletException known -> known;
          case Error error -> throw error;
          case null, default ->
              new StageletException(
                  ErrorCode.INTERNAL,
                  "a range's transfer failed: " + StageletException.reason(failure),
                  failure);
        };
      } catch (CancellationException never) {
        throw new IllegalStateException("only close() cancels", never);
      }
    }

    /** Ends the transfers, and waits until they have. */
    @Override
    public void close() {
      threads.shutdownNow();
      threads.close();
    }
  }
}
