package io.stagelet.journal;

import io.stagelet.linux.Command;
import java.nio.file.Path;

/**
 * A journal beside the system's own, with a journald, limits and files of its own ({@code
 * systemd-journald.service(8)}, "Journal Namespaces").
 *
 * @param name letters, digits, underscores and dashes
 */
public record JournalNamespace(String name) {
  public JournalNamespace {
    if (!name.matches("[A-Za-z0-9_-]{1,200}")) {
      throw new IllegalArgumentException(
          "\"%s\" cannot name a journal namespace: letters, digits, _ and -".formatted(name));
    }
  }

  /** Where its journald listens. */
  public Path socket() {
    return Path.of("/run/systemd/journal." + name, "socket");
  }

  /**
   * Makes systemd listen there until the machine goes down; its journald starts with the first
   * entry. Fine when it listens already.
   *
   * <p>The socket's unit stops when no unit needs it, so one is started that does.
   */
  public void open() {
    String holder = "stagelet-journal-" + name + ".service";
    if (Command.of("systemctl", "is-active", "--quiet", holder).run().exitCode() == 0) {
      return;
    }
    Command.of(
            "systemd-run",
            "--quiet",
            "--unit=" + holder,
            "--description=Journal namespace %s for containers".formatted(name),
            "--service-type=oneshot",
            "--remain-after-exit",
            "--property=Requires=" + socketUnit(),
            "--property=After=" + socketUnit(),
            "/bin/true")
        .runChecked();
  }

  private String socketUnit() {
    return "systemd-journald@" + name + ".socket";
  }

  /** The option by which {@code journalctl(1)} reads it. */
  public String journalctlOption() {
    return "--namespace=" + name;
  }
}
