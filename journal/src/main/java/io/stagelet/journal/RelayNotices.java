package io.stagelet.journal;

import io.stagelet.linux.StageletException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the relay itself has to say, as entries with ids. They are sent by a thread of their own:
 * the relay's must not wait for the journal.
 */
final class RelayNotices implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RelayNotices.class);

  private static final String OUTPUT_WAITS = "5f1c7d0c3a3b4c0fb0c9a3d66c1d2e01";
  private static final String OUTPUT_GOES_ON = "0a4e5b8f6e0d4f7d9a3a51cf2b7e8c02";
  private static final String JOURNAL_WAS_BEHIND = "c2d95e1a7b684b3e8f60d41b93a5fe03";
  private static final int WARNING = 4;
  private static final int NOTICE = 5;

  private final Journal journal;
  private final ExecutorService sender =
      Executors.newSingleThreadExecutor(Thread.ofVirtual().name("relay-notices").factory());

  RelayNotices(Journal journal) {
    this.journal = journal;
  }

  /** A container's file or spool takes nothing. */
  void outputWaits(ContainerOutput output, String reason) {
    send(
        aboutContainer(
            WARNING,
            "The output of container %s waits: %s. Nothing is lost, but the container is held up once its buffers are full."
                .formatted(output.id(), reason),
            output,
            OUTPUT_WAITS));
  }

  /** It takes output again. */
  void outputGoesOn(ContainerOutput output, Duration waited) {
    send(
        aboutContainer(
            NOTICE,
            "The output of container %s goes on after %d ms; nothing was lost."
                .formatted(output.id(), waited.toMillis()),
            output,
            OUTPUT_GOES_ON));
  }

  /** The journal takes entries again. */
  void journalWasBehind(Duration waited) {
    send(
        JournalEntry.message(
                WARNING,
                "The journal took no output of containers for %d ms; nothing was lost."
                    .formatted(waited.toMillis()))
            .field("MESSAGE_ID", JOURNAL_WAS_BEHIND)
            .build());
  }

  private static JournalEntry aboutContainer(
      int priority, String text, ContainerOutput output, String messageId) {
    JournalEntry.Builder entry =
        JournalEntry.message(priority, text).field("MESSAGE_ID", messageId);
    output
        .fields()
        .forEach((name, value) -> {
          // these say who speaks, and here it is not the container
          if (!name.equals("SYSLOG_IDENTIFIER") && !name.equals("CONTAINER_ID_FULL")) {
            entry.field(name, value);
          }
        });
    return entry.field("CONTAINER_ID_FULL", output.id()).build();
  }

  private void send(JournalEntry entry) {
    sender.execute(() -> {
      try {
        journal.send(entry);
      } catch (StageletException failure) {
        LOG.warn("a notice of the relay did not reach the journal", failure);
      }
    });
  }

  /** What was not sent yet is dropped: it is about this relay, which ends. */
  @Override
  public void close() {
    sender.shutdownNow();
  }
}
