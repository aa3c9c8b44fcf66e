package io.stagelet.journal;

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

  /** The unit that opens the socket, and starts its journald with the first entry. */
  public String socketUnit() {
    return "systemd-journald@" + name + ".socket";
  }

  /** The option by which {@code journalctl(1)} reads it. */
  public String journalctlOption() {
    return "--namespace=" + name;
  }
}
