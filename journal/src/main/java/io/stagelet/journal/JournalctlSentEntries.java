package io.stagelet.journal;

import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.OptionalInt;

/** Asks {@code journalctl(1)}. */
final class JournalctlSentEntries implements SentEntries {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  @Override
  public OptionalInt lastSequence(String containerId, String stream) {
    Command.of("journalctl", "--sync").withDeadline(DEADLINE).runChecked();
    String answer =
        Command.of(
                "journalctl",
                "--quiet",
                "--no-pager",
                "--lines=1",
                "--output=cat",
                "--output-fields=STAGELET_SEQUENCE",
                "CONTAINER_ID_FULL=" + containerId,
                "STREAM=" + stream)
            .withDeadline(DEADLINE)
            .runChecked()
            .text()
            .strip();
    return answer.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(answer));
  }
}
