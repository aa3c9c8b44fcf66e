package io.stagelet.cri;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.StageletException;
import io.stagelet.units.SdNotify;
import java.util.concurrent.ThreadFactory;
import jnr.constants.platform.Signal;
import jnr.posix.util.SunMiscSignal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code systemctl reload}: on SIGHUP the configuration is read again, and systemd is told when
 * that begins and ends ({@code Type=notify-reload}).
 */
final class Reloads implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Reloads.class);

  private final LiveConfiguration configuration;
  private final SdNotify systemd;

  /** From now on SIGHUP is heard. */
  Reloads(LiveConfiguration configuration, SdNotify systemd, ThreadFactory threads) {
    this.configuration = configuration;
    this.systemd = systemd;
    var _ = SunMiscSignal.signal(Signal.SIGHUP, _ -> threads.newThread(this::reload).start());
  }

  /** One at a time; two signals that come together may be one. */
  private synchronized void reload() {
    systemd.reloading();
    try {
      LiveConfiguration.Change change = configuration.reload();
      StoryEvent.CONFIGURATION_RELOADED
          .on(LOG)
          .log(
              "{} was read again; changed and in force: {}; changed and waiting for a restart: {}",
              configuration.file(),
              listed(change.applied()),
              listed(change.waiting()));
      systemd.status(
          change.waiting().isEmpty()
              ? "Serving CRI"
              : "Serving CRI; a restart is needed for " + listed(change.waiting()));
    } catch (StageletException failure) {
      StoryEvent.CONFIGURATION_REFUSED
          .on(LOG)
          .log("nothing is changed: {}", StageletException.reason(failure));
      systemd.status("Serving CRI; the configuration on disk has mistakes and is not in force");
    } finally {
      systemd.ready();
    }
  }

  private static String listed(java.util.List<String> names) {
    return names.isEmpty() ? "nothing" : String.join(", ", names);
  }

  /** A server that ends takes no notice any more. */
  @Override
  public void close() {
    var _ = SunMiscSignal.signal(Signal.SIGHUP, _ -> {});
  }
}
