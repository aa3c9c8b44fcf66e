package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches directories of CNI configurations, and says when something in them has changed; also when
 * one is removed and made again, put in another's place, or not there yet: the nearest directory
 * above that exists is watched too.
 *
 * <p>What is told is told on the watch's own thread, once for changes that come together.
 */
final class CniWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CniWatch.class);

  /** Whoever writes a file writes it in steps. */
  private static final long SETTLING_MILLISECONDS = 50;

  private List<Path> directories;
  private final Runnable changed;
  private final WatchService watches;
  private final Map<WatchKey, Path> keys = new HashMap<>();
  private final Thread thread;

  /** Watches from now on, until it is closed. */
  CniWatch(List<Path> directories, Runnable changed) {
    this.directories = directories.stream().map(Path::toAbsolutePath).toList();
    this.changed = changed;
    try {
      this.watches = this.directories.getFirst().getFileSystem().newWatchService();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "the directories of CNI configurations %s cannot be watched: %s"
              .formatted(directories, StageletException.reason(failure)),
          failure);
    }
    register();
    this.thread = Thread.ofVirtual().name("watch of CNI configurations").start(this::watch);
  }

  /** Watches these from now on. */
  void use(List<Path> others) {
    synchronized (this) {
      directories = others.stream().map(Path::toAbsolutePath).toList();
      register();
    }
    changed.run();
  }

  private void watch() {
    try {
      while (true) {
        boolean concerns = concerns(watches.take());
        for (WatchKey more = watches.poll(SETTLING_MILLISECONDS, TimeUnit.MILLISECONDS);
            more != null;
            more = watches.poll(SETTLING_MILLISECONDS, TimeUnit.MILLISECONDS)) {
          concerns |= concerns(more);
        }
        if (concerns) {
          register();
          changed.run();
        }
      }
    } catch (ClosedWatchServiceException | InterruptedException closed) {
      LOG.trace("the directories are watched no more");
    }
  }

  /** Whether an event is of a directory that is watched, or of one on the way to it. */
  private synchronized boolean concerns(WatchKey key) {
    Path watched = keys.get(key);
    boolean concerns =
        key.pollEvents().stream()
            .anyMatch(event ->
                watched == null
                    || !(event.context() instanceof Path name)
                    || directories.contains(watched)
                    || directories.stream()
                        .anyMatch(directory -> directory.startsWith(watched.resolve(name))));
    return !key.reset() || concerns;
  }

  /** Watches each directory as it is now, and the nearest above it. */
  private synchronized void register() {
    Set<WatchKey> wanted = new HashSet<>();
    for (Path directory : directories) {
      Path above = directory.getParent();
      while (above != null && !Files.isDirectory(above)) {
        above = above.getParent();
      }
      if (above != null) {
        register(above, wanted);
      }
      // after what is above: one that is made in between is then seen by that
      register(directory, wanted);
    }
    keys.keySet()
        .removeIf(key -> {
          boolean old = !wanted.contains(key);
          if (old) {
            key.cancel();
          }
          return old;
        });
  }

  private void register(Path directory, Set<WatchKey> wanted) {
    try {
      WatchKey key =
          directory.register(
              watches,
              StandardWatchEventKinds.ENTRY_CREATE,
              StandardWatchEventKinds.ENTRY_DELETE,
              StandardWatchEventKinds.ENTRY_MODIFY);
      keys.put(key, directory);
      wanted.add(key);
    } catch (IOException notThere) {
      LOG.trace("{} is not watched: {}", directory, StageletException.reason(notThere));
    }
  }

  @Override
  public void close() {
    try {
      watches.close();
      thread.join();
    } catch (IOException failure) {
      LOG.debug("a watch was not closed", failure);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
