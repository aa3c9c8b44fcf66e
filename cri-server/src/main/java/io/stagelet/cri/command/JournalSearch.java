package io.stagelet.cri.command;

import io.stagelet.journal.JournalNamespace;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** Finds entries of this machine's journal, with {@code journalctl(1)}. */
final class JournalSearch {
  private final Optional<JournalNamespace> namespace;

  /**
   * Searches the system's journal, and this one beside it.
   *
   * @param namespace where containers' output is; absent when it is in the system's journal
   */
  JournalSearch(Optional<JournalNamespace> namespace) {
    this.namespace = namespace;
  }

  /** All entries that match, the oldest first. */
  List<RecordedEntry> all(List<String> arguments) {
    List<RecordedEntry> entries = new ArrayList<>();
    each(arguments, entry -> entries.add(entry));
    return entries;
  }

  /**
   * Hands over the entries that match, the oldest first, until there is none, or the receiver wants
   * no more.
   *
   * @param arguments options and matches of journalctl
   */
  void each(List<String> arguments, Predicate<RecordedEntry> wantsMore) {
    List<String> command =
        new ArrayList<>(List.of("journalctl", "--quiet", "--no-pager", "--output=export"));
    // "+" is the system's journal as well
    namespace.ifPresent(own -> command.add("--namespace=+" + own.name()));
    command.addAll(arguments);
    try {
      Process journalctl =
          new ProcessBuilder(command)
              .redirectInput(Redirect.from(new java.io.File("/dev/null")))
              .redirectError(Redirect.INHERIT)
              .start();
      try {
        ExportFormat entries = new ExportFormat(journalctl.getInputStream());
        boolean more = true;
        while (more) {
          more = entries.next().map(wantsMore::test).orElse(false);
        }
      } finally {
        journalctl.destroy();
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "could not read the journal: %s; the command was: %s"
              .formatted(StageletException.reason(failure), String.join(" ", command)),
          failure);
    }
  }
}
