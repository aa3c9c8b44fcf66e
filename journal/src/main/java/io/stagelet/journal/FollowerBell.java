package io.stagelet.journal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Wakes those who follow the journal ({@code journalctl --follow}) when output is in it.
 *
 * <p>journald writes its files through memory maps, of which inotify hears nothing, and so touches
 * them; but only 250 ms after an entry, with a timer that may be 250 ms late. Every follower also
 * watches the directory that all journals are in, for changed attributes among others. So a new
 * modification time of that directory wakes them all, and they look for entries. It is on a tmpfs
 * mostly; nothing in it is touched.
 *
 * <p>It rings when journald has taken all that was sent, and once more a moment later, should
 * journald not have been done with the last entry. Under load it rings twenty times a second.
 *
 * <p>For one thread. Times are of {@link System#nanoTime}.
 */
final class FollowerBell {
  /** Where journals are, the first that is there: of those, every follower watches each. */
  private static final List<Path> DIRECTORIES =
      List.of(Path.of("/run/log/journal"), Path.of("/var/log/journal"));

  /** How long journald usually takes for an entry. */
  private static final long ENTRY_NANOS = 500_000;

  private static final long AGAIN_NANOS = Duration.ofMillis(4).toNanos();
  private static final long PAUSE_NANOS = Duration.ofMillis(50).toNanos();

  private static final long NEVER = Long.MAX_VALUE;

  private final Clock clock;
  private final IntSupplier onTheWay;
  private @Nullable Path directory;

  /** Whether something was sent that no ring told of. */
  private boolean news;

  /** Whether a ring is to be repeated. */
  private boolean again;

  private boolean rung;
  private long lastRing;
  private long due;

  /**
   * A bell.
   *
   * @param directory what is touched; absent for a bell that does not ring
   * @param clock tells the time that the directory gets
   * @param onTheWay how many bytes journald has not taken yet
   */
  FollowerBell(Optional<Path> directory, Clock clock, IntSupplier onTheWay) {
    this.directory = directory.orElse(null);
    this.clock = clock;
    this.onTheWay = onTheWay;
  }

  /** The directory that this machine's followers watch. */
  static Optional<Path> directoryOfThisMachine() {
    return DIRECTORIES.stream().filter(Files::isDirectory).findFirst();
  }

  /** Entries were sent to journald. */
  void sent(long now) {
    if (news || directory == null) {
      return;
    }
    news = true;
    long pause = rung ? lastRing + PAUSE_NANOS - now : 0;
    due = now + Math.max(ENTRY_NANOS, pause);
    again = false;
  }

  /** In how many nanoseconds {@link #ringWhenDue} has something to do. */
  long nanosUntilDue(long now) {
    return news || again ? Math.max(0, due - now) : NEVER;
  }

  /** Rings if it is time. */
  void ringWhenDue(long now) {
    if (!(news || again) || now - due < 0) {
      return;
    }
    if (onTheWay.getAsInt() > 0) {
      due = now + AGAIN_NANOS;
      return;
    }
    again = news;
    news = false;
    if (again) {
      rung = true;
      lastRing = now;
      due = now + AGAIN_NANOS;
    }
    ring();
  }

  private void ring() {
    Path touched = directory;
    if (touched == null) {
      return;
    }
    try {
      Files.setLastModifiedTime(touched, FileTime.from(clock.instant()));
    } catch (IOException gone) {
      // followers hear of the entries from journald itself then, only later
      directory = null;
      again = false;
    }
  }
}
