package io.stagelet.stage0;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.LockFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who has the store open: several programs may, the server and the command.
 *
 * <pre>
 *   lock                      held by whoever changes the store, for as long as that takes
 *   generation                differs after each change, so that the others read anew
 *   sessions/UUID/lock        held as long as the program lives
 *   sessions/UUID/pins/X-HEX  a layer that the program is about to use
 *   sessions/UUID/temp/       what it is unpacking or deleting
 * </pre>
 *
 * <p>A session whose lock is free is dead, and is removed by the next one. Only {@link #change} may
 * be called from several threads.
 */
final class StoreSessions implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StoreSessions.class);

  private final Path root;
  private final Path sessions;
  private final Path generationFile;
  private final LockFile lock;
  private final Path own;
  private final LockFile ownLock;
  private String generation = "";

  /** Begins a session; dead ones are removed. */
  StoreSessions(Path root) {
    this.root = root;
    this.sessions = root.resolve("sessions");
    this.generationFile = root.resolve("generation");
    this.own = sessions.resolve(UUID.randomUUID().toString());
    this.lock = LockFile.open(root.resolve("lock"));
    boolean begun = false;
    // locked, so that nobody takes the new session for a dead one before it is whole
    try (var _ = lock.exclusive()) {
      Files.createDirectories(own.resolve("pins"));
      Files.createDirectories(own.resolve("temp"));
      this.ownLock = LockFile.open(own.resolve("lock"));
      var _ =
          ownLock
              .tryExclusive()
              .orElseThrow(() -> new IllegalStateException("a new file is locked by nobody"));
      begun = true;
      removeDead();
    } catch (IOException failure) {
      throw StoreFiles.failed("begin a session in", root, failure);
    } finally {
      if (!begun) {
        lock.close();
      }
    }
  }

  /** The lock on all changes. Short: others wait. */
  LockFile.Held change() {
    return lock.exclusive();
  }

  /** Whether the store has been changed since {@link #seen}. */
  boolean changedElsewhere() {
    return !read().equals(generation);
  }

  /** What is in memory now is what is on disk. With the lock held. */
  void seen() {
    generation = read();
  }

  /** Something is going to be changed. With the lock held, and before the change. */
  void changing() {
    generation = UUID.randomUUID().toString();
    try {
      Files.writeString(generationFile, generation);
    } catch (IOException failure) {
      throw StoreFiles.failed("write", generationFile, failure);
    }
  }

  private String read() {
    try {
      return Files.exists(generationFile) ? Files.readString(generationFile) : "";
    } catch (IOException failure) {
      throw StoreFiles.failed("read", generationFile, failure);
    }
  }

  /** A name in this session's temporary directory, not yet there. */
  Path temporary() {
    return own.resolve("temp").resolve(UUID.randomUUID().toString());
  }

  /** Keeps layers from being removed by others. */
  void pin(Collection<Digest> diffIds) {
    try {
      for (Digest diffId : diffIds) {
        Files.write(pin(diffId), new byte[0]);
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("pin layers in", own, failure);
    }
  }

  /** Ends that. */
  void unpin(Collection<Digest> diffIds) {
    try {
      for (Digest diffId : diffIds) {
        Files.deleteIfExists(pin(diffId));
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("unpin layers in", own, failure);
    }
  }

  private Path pin(Digest diffId) {
    return own.resolve("pins").resolve(diffId.algorithm() + "-" + diffId.hex());
  }

  /** What others have pinned. With the lock held; dead sessions are removed. */
  Set<Digest> pinnedElsewhere() {
    Set<Digest> pinned = new HashSet<>();
    try {
      for (Path session : removeDead()) {
        for (Path pin : StoreFiles.children(session.resolve("pins"))) {
          pinned.add(Digest.parse(pin.getFileName().toString().replaceFirst("-", ":")));
        }
      }
    } catch (IOException failure) {
      throw StoreFiles.failed("read", sessions, failure);
    }
    return pinned;
  }

  /** The other sessions that live. */
  private List<Path> removeDead() throws IOException {
    return StoreFiles.children(sessions).stream()
        .filter(session -> !session.equals(own))
        .filter(session -> {
          if (lives(session)) {
            return true;
          }
          ImageEvent.SESSION_REMOVED
              .on(LOG)
              .log("what a program left in {} that ended early is removed", session);
          ConfinedTree.delete(session);
          return false;
        })
        .toList();
  }

  private static boolean lives(Path session) {
    Path file = session.resolve("lock");
    if (!Files.exists(file)) {
      return false;
    }
    try (LockFile other = LockFile.open(file)) {
      Optional<LockFile.Held> free = other.tryExclusive();
      free.ifPresent(LockFile.Held::close);
      return free.isEmpty();
    }
  }

  /** Ends the session. */
  @Override
  public void close() {
    try (var _ = lock.exclusive()) {
      ConfinedTree.delete(own);
    } finally {
      ownLock.close();
      lock.close();
    }
  }

  /** The store. */
  @Override
  public String toString() {
    return root.toString();
  }
}
