package io.stagelet.cri.command;

import io.stagelet.journal.JournalNamespace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** What both commands take. */
final class CommonOptions {
  @CommandLine.Parameters(
      index = "0",
      paramLabel = "POD",
      description = "NAMESPACE/NAME, NAME, the pod's uid, or the begin of a sandbox's id.")
  String pod = "";

  @CommandLine.Option(
      names = {"-f", "--follow"},
      description = "Go on with what comes, until interrupted.")
  boolean follow;

  @CommandLine.Option(
      names = "--since",
      paramLabel = "TIME",
      description =
          "Only what is not older: a span such as 10m or 2h, or a time as systemd.time(7) has it.")
  private @Nullable String since;

  @CommandLine.Option(
      names = "--journal-namespace",
      paramLabel = "NAME",
      description =
          "The journal namespace of containers (default: what /etc/stagelet/stagelet.toml says).")
  private @Nullable String journalNamespace;

  /**
   * The journal to search.
   *
   * @param configured the namespace to take when the option names none
   */
  JournalSearch journal(Supplier<Optional<JournalNamespace>> configured) {
    return new JournalSearch(
        Optional.ofNullable(journalNamespace).map(JournalNamespace::new).or(configured));
  }

  /** Options of journalctl that say the same. */
  List<String> journalctl() {
    List<String> options = new ArrayList<>();
    if (follow) {
      options.add("--follow");
      options.add("--no-tail");
    }
    String from = since;
    if (from != null) {
      options.add("--since=" + (from.matches("([0-9]+[a-zA-Z]+)+") ? "-" + from : from));
    }
    return options;
  }
}
