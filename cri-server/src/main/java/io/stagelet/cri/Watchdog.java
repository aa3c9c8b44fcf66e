package io.stagelet.cri;

import io.stagelet.cri.probe.CriProbe;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.StageletException;
import io.stagelet.units.SdNotify;
import java.nio.file.Path;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells systemd that this server is alive, each time after its CRI has answered a call on its own
 * socket. When it goes on not to answer, systemd ends it and starts it again; pods do not notice.
 */
final class Watchdog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Watchdog.class);

  /** So many tries fit between two signs that systemd waits for. */
  private static final int TRIES = 4;

  private final Path socket;
  private final SdNotify systemd;
  private final Logger log;
  private final Duration pause;
  private final Thread thread;
  private volatile boolean closed;

  /**
   * Begins at once.
   *
   * @param interval how long systemd waits for a sign
   */
  Watchdog(Path socket, SdNotify systemd, Duration interval) {
    this(socket, systemd, interval, LOG);
  }

  /** Complains to another log. */
  Watchdog(Path socket, SdNotify systemd, Duration interval, Logger log) {
    this.log = log;
    this.socket = socket;
    this.systemd = systemd;
    this.pause = interval.dividedBy(TRIES);
    this.thread = Thread.ofVirtual().name("watchdog").start(this::watch);
  }

  private void watch() {
    while (!closed) {
      try {
        var _ = CriProbe.ask(socket, pause);
        systemd.watchdog();
      } catch (StageletException failure) {
        if (closed) {
          return; // it was interrupted while it waited for the answer
        }
        StoryEvent.WATCHDOG_NOT_TOLD
            .on(log)
            .log("systemd is not told that all is well: {}", StageletException.reason(failure));
      }
      try {
        Thread.sleep(pause);
      } catch (InterruptedException interrupted) {
        return; // only close does that
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
  }
}
