package io.stagelet.journal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import org.jspecify.annotations.Nullable;
import org.slf4j.ILoggerFactory;
import org.slf4j.IMarkerFactory;
import org.slf4j.helpers.BasicMarkerFactory;
import org.slf4j.helpers.NOPMDCAdapter;
import org.slf4j.spi.MDCAdapter;
import org.slf4j.spi.SLF4JServiceProvider;

/**
 * Makes this program's log statements entries of the journal, where systemd has connected its
 * standard error to the journal ({@code JOURNAL_STREAM}, {@code systemd.exec(5)}) and journald
 * listens; lines on standard error otherwise, as on a terminal. slf4j finds it through {@code
 * ServiceLoader}.
 */
public final class JournalLogProvider implements SLF4JServiceProvider {
  private final JournalLoggers loggers =
      new JournalLoggers(sink(System.getenv("JOURNAL_STREAM"), Path.of("/proc/self/fd/2")));
  private final IMarkerFactory markers = new BasicMarkerFactory();
  private final MDCAdapter context = new NOPMDCAdapter();

  /** Made by slf4j. */
  public JournalLogProvider() {}

  private static MessageSink sink(@Nullable String journalStream, Path standardError) {
    if (isJournal(journalStream, standardError)) {
      JournalSink journal = new JournalSink(Journal.SOCKET);
      if (journal.connected()) {
        return journal;
      }
    }
    return new StandardErrorSink(System.err, Clock.systemUTC());
  }

  /**
   * Whether standard error is the stream that systemd connected to the journal: a child of a
   * service inherits the variable, and may have redirected the stream.
   */
  static boolean isJournal(@Nullable String journalStream, Path standardError) {
    if (journalStream == null) {
      return false;
    }
    try {
      return journalStream.equals(
          "%s:%s"
              .formatted(
                  Files.getAttribute(standardError, "unix:dev"),
                  Files.getAttribute(standardError, "unix:ino")));
    } catch (IOException | UnsupportedOperationException unknown) {
      return false;
    }
  }

  @Override
  public ILoggerFactory getLoggerFactory() {
    return loggers;
  }

  @Override
  public IMarkerFactory getMarkerFactory() {
    return markers;
  }

  @Override
  public MDCAdapter getMDCAdapter() {
    return context;
  }

  @Override
  public String getRequestedApiVersion() {
    return "2.0.99";
  }

  @Override
  public void initialize() {}
}
