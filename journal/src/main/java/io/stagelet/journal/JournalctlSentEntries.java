package io.stagelet.journal;

import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Asks {@code journalctl(1)}. */
final class JournalctlSentEntries implements SentEntries {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  private final List<String> journalctl = new ArrayList<>(List.of("journalctl"));

  /**
   * Asks this journal.
   *
   * @param namespace absent for the system's own
   */
  JournalctlSentEntries(Optional<JournalNamespace> namespace) {
    namespace.map(JournalNamespace::journalctlOption).ifPresent(journalctl::add);
  }

  @Override
  public OptionalInt lastSequence(String containerId, String stream) {
    journalctl("--sync");
    String answer =
        journalctl(
                "--quiet",
                "--no-pager",
                "--lines=1",
                "--output=cat",
                "--output-fields=STAGELET_SEQUENCE",
                "CONTAINER_ID_FULL=" + containerId,
                "STREAM=" + stream)
            .text()
            .strip();
    return answer.isEmpty() ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(answer));
  }

  private Command.Outcome journalctl(String... arguments) {
    List<String> command = new ArrayList<>(journalctl);
    command.addAll(List.of(arguments));
    return Command.of(command).withDeadline(DEADLINE).runChecked();
  }
}
