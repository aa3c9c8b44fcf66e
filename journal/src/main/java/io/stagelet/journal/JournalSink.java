package io.stagelet.journal;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.event.Level;

/**
 * Messages as entries of the journal, in journald's native protocol.
 *
 * <p>A journald that takes nothing does not stop the server: messages then wait here, up to a
 * number, and are sent in order by a thread that lives as long as some wait. What comes beyond that
 * number is dropped, and counted in a message of its own.
 */
final class JournalSink implements MessageSink {
  /** Who speaks, in {@code SYSLOG_IDENTIFIER}. */
  static final String IDENTIFIER = "stagelet";

  private static final int MOST_WAITING = 10_000;
  private static final Duration PAUSE = Duration.ofMillis(20);

  private final JournalSocket socket;

  /** Guards all below, and the socket. */
  private final ReentrantLock lock = new ReentrantLock();

  private final Queue<byte[]> waiting = new ArrayDeque<>();
  private long dropped;
  private boolean draining;

  /** Messages go to the journald that listens at {@code path}; it need not listen yet. */
  JournalSink(Path path) {
    this.socket = new JournalSocket(path);
  }

  /** Whether journald is there. */
  boolean connected() {
    lock.lock();
    try {
      return socket.connect();
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void say(LogMessage message) {
    byte[] encoded = entry(message).encoded();
    lock.lock();
    try {
      if (waiting.isEmpty() && sent(encoded)) {
        return;
      }
      if (waiting.size() >= MOST_WAITING) {
        dropped++;
        return;
      }
      waiting.add(encoded);
      if (!draining) {
        draining = true;
        Thread.ofPlatform().daemon().name("journal-messages").start(this::drain);
      }
    } finally {
      lock.unlock();
    }
  }

  private void drain() {
    boolean interrupted = false;
    while (!drained()) {
      try {
        Thread.sleep(PAUSE);
      } catch (InterruptedException _) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean drained() {
    lock.lock();
    try {
      while (!waiting.isEmpty()) {
        if (!sent(waiting.element())) {
          return false;
        }
        waiting.remove();
      }
      if (dropped > 0 && sent(droppedNotice().encoded())) {
        dropped = 0;
      }
      draining = dropped > 0;
      return !draining;
    } finally {
      lock.unlock();
    }
  }

  private JournalEntry droppedNotice() {
    StoryEvent event = StoryEvent.MESSAGES_DROPPED;
    return entry(
        new LogMessage(
            event.level(),
            JournalSink.class.getName(),
            "%d messages of stagelet itself were dropped while the journal took none; no output of containers was."
                .formatted(dropped),
            Map.of(StoryEvent.KEY, event.id()),
            null,
            ""));
  }

  private boolean sent(byte[] encoded) {
    ByteBuffer direct = ByteBuffer.allocateDirect(encoded.length).put(encoded).flip();
    return socket.send(direct) == JournalSocket.Outcome.SENT;
  }

  /** The entry that says a message. */
  static JournalEntry entry(LogMessage message) {
    JournalEntry.Builder entry =
        JournalEntry.message(priority(message.level()), message.text())
            .field("SYSLOG_IDENTIFIER", IDENTIFIER)
            .field("LOGGER", message.logger());
    message.fields().forEach(entry::field);
    StackTraceElement place = message.place();
    if (place != null) {
      if (place.getFileName() != null) {
        entry
            .field("CODE_FILE", place.getFileName())
            .field("CODE_LINE", Integer.toString(place.getLineNumber()));
      }
      entry.field("CODE_FUNC", place.getClassName() + "." + place.getMethodName());
    }
    if (!message.stackTrace().isEmpty()) {
      entry.field("STACK_TRACE", message.stackTrace());
    }
    return entry.build();
  }

  private static int priority(Level level) {
    return switch (level) {
      case ERROR -> 3;
      case WARN -> 4;
      case INFO -> 6;
      case DEBUG, TRACE -> 7;
    };
  }
}
