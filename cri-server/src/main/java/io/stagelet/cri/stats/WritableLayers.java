package io.stagelet.cri.stats;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ProjectQuota;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreeUsage;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The room that writable layers take. A filesystem with project quotas tells it at once. Elsewhere
 * that wants a walk through all their files, so what is given is the result of the last walk; one
 * that is too old makes a new one start, behind the caller's back. One walk at a time goes on, so
 * that a node full of containers does not walk them all at once.
 */
public final class WritableLayers implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WritableLayers.class);

  /** How old a result may be before it is renewed: kubelet asks every ten seconds. */
  private static final Duration FRESH = Duration.ofSeconds(10);

  /**
   * The room of a layer.
   *
   * @param at when it was counted, or its walk was done
   */
  public record Room(long bytes, long inodes, Instant at) {}

  private static final class Layer {
    private final CompletableFuture<Room> first = new CompletableFuture<>();
    private volatile Optional<Room> last = Optional.empty();
    private boolean walking;
  }

  private final Map<String, Layer> layers = new ConcurrentHashMap<>();
  private final ExecutorService walker =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("writable-layers").daemon().factory());
  private final Function<Path, Optional<ConfinedTree.Room>> counted;
  private final Function<Path, ConfinedTree.Room> walk;
  private final Clock clock;

  /** Asks the real filesystems, and walks the real trees. */
  public WritableLayers(Clock clock) {
    this(ProjectQuota::usage, TreeUsage::of, clock);
  }

  WritableLayers(
      Function<Path, Optional<ConfinedTree.Room>> counted,
      Function<Path, ConfinedTree.Room> walk,
      Clock clock) {
    this.counted = counted;
    this.walk = walk;
    this.clock = clock;
  }

  /**
   * What is known of a layer. One that is not counted, and was never walked, is waited for, until
   * {@code patience} is over; empty when its walk takes longer, or when there is no such layer.
   *
   * @param id of its container
   * @param upper its directory
   */
  public Optional<Room> room(String id, Path upper, Duration patience) {
    Optional<Room> now = counted(upper);
    if (now.isPresent()) {
      return now;
    }
    Layer layer = layers.computeIfAbsent(id, _ -> new Layer());
    renew(layer, upper);
    if (layer.last.isEmpty() && !patience.isNegative()) {
      try {
        return Optional.of(layer.first.get(patience.toNanos(), TimeUnit.NANOSECONDS));
      } catch (TimeoutException | ExecutionException notYet) {
        return Optional.empty();
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
        return Optional.empty();
      }
    }
    return layer.last;
  }

  private Optional<Room> counted(Path upper) {
    try {
      return counted.apply(upper).map(this::now);
    } catch (StageletException failure) {
      notMeasured(upper, failure);
      return Optional.empty();
    }
  }

  private Room now(ConfinedTree.Room room) {
    return new Room(room.bytes(), room.inodes(), clock.instant());
  }

  private static void notMeasured(Path upper, StageletException failure) {
    LOG.debug("could not measure {}: {}", upper, StageletException.reason(failure));
  }

  private void renew(Layer layer, Path upper) {
    Instant now = clock.instant();
    synchronized (layer) {
      if (layer.walking
          || layer.last.filter(room -> now.isBefore(room.at().plus(FRESH))).isPresent()) {
        return;
      }
      layer.walking = true;
    }
    walker.execute(() -> walked(layer, upper));
  }

  private void walked(Layer layer, Path upper) {
    try {
      Room room = now(walk.apply(upper));
      layer.last = Optional.of(room);
      layer.first.complete(room);
    } catch (StageletException failure) {
      notMeasured(upper, failure);
    } finally {
      synchronized (layer) {
        layer.walking = false;
      }
    }
  }

  /** Forgets all but the layers of those containers. */
  public void keepOnly(Set<String> ids) {
    layers.keySet().retainAll(ids);
  }

  @Override
  public void close() {
    walker.shutdownNow();
  }
}
