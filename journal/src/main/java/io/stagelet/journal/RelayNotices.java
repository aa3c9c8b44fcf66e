package io.stagelet.journal;

import io.stagelet.linux.StageletException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * What the relay itself has to say, as entries with ids. They are sent by a thread of their own:
 * the relay's must not wait for the journal.
 */
final class RelayNotices implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RelayNotices.class);

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
            StoryEvent.OUTPUT_WAITS,
            "The output of container %s waits: %s. Nothing is lost, but the container is held up once its buffers are full."
                .formatted(output.id(), reason),
            output));
  }

  /** It takes output again. */
  void outputGoesOn(ContainerOutput output, Duration waited) {
    send(
        aboutContainer(
            StoryEvent.OUTPUT_GOES_ON,
            "The output of container %s goes on after %d ms; nothing was lost."
                .formatted(output.id(), waited.toMillis()),
            output));
  }

  /** A receiver takes output again, after some was dropped as the policy says. */
  void outputDropped(ContainerOutput output, StreamKind stream, String receiver, long bytes) {
    send(
        aboutContainer(
            StoryEvent.OUTPUT_DROPPED,
            "%d bytes of the %s of container %s are missing in %s, which took nothing: the handler's policy is to drop."
                .formatted(bytes, stream.label(), output.id(), receiver),
            output));
  }

  /** The journal takes entries again. */
  void journalWasBehind(Duration waited) {
    send(
        entry(
            StoryEvent.JOURNAL_WAS_BEHIND,
            "The journal took no output of containers for %d ms.".formatted(waited.toMillis()),
            Map.of()));
  }

  private static JournalEntry aboutContainer(
      StoryEvent event, String text, ContainerOutput output) {
    Map<String, String> fields = new LinkedHashMap<>(output.fields());
    // says who speaks, and here it is not the container
    fields.remove("SYSLOG_IDENTIFIER");
    fields.put("CONTAINER_ID_FULL", output.id());
    return entry(event, text, fields);
  }

  private static JournalEntry entry(StoryEvent event, String text, Map<String, String> about) {
    Map<String, String> fields = new LinkedHashMap<>(about);
    fields.put(StoryEvent.KEY, event.id());
    return JournalSink.entry(new LogMessage(event.level(), LOG.getName(), text, fields, null, ""));
  }

  private void send(JournalEntry entry) {
    sender.execute(() -> {
      try {
        journal.send(entry);
      } catch (StageletException failure) {
        StoryEvent.RELAY_FAILED
            .on(LOG, Level.WARN)
            .setCause(failure)
            .log("a notice of the relay did not reach the journal");
      }
    });
  }

  /** What was not sent yet is dropped: it is about this relay, which ends. */
  @Override
  public void close() {
    sender.shutdownNow();
  }
}
