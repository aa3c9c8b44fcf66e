package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.Command;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against the machine's journald. */
class JournalIT {
  private final String mark = UUID.randomUUID().toString();
  private Journal journal;

  @BeforeEach
  void open() {
    journal = Journal.open(Journal.SOCKET);
  }

  @AfterEach
  void close() {
    journal.close();
  }

  @Test
  void sendsFieldsThatJournalctlShows() {
    journal.send(
        JournalEntry.message(4, "two\nlines")
            .field("STAGELET_TEST", mark)
            .field("SYSLOG_IDENTIFIER", "stagelet-it")
            .build());
    assertThat(
            journalctl("--output=cat", "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_UID"))
        .contains("two\nlines\n")
        .contains("4\n")
        .contains("stagelet-it\n")
        .contains("0\n");
  }

  @Test
  void sendsAnEntryThatIsTooLargeForADatagram(@TempDir Path directory) throws Exception {
    String text = "0123456789abcdef".repeat(700_000);
    journal.send(JournalEntry.message(6, text).field("STAGELET_TEST", mark).build());
    Path shown = directory.resolve("shown");
    Command.of("journalctl", "--sync").runChecked();
    assertThat(
            new ProcessBuilder("journalctl", "--quiet", "--all", "--output=cat", match())
                .redirectOutput(shown.toFile())
                .start()
                .waitFor())
        .isZero();
    assertThat(Files.readString(shown)).isEqualTo(text + "\n");
  }

  @Test
  void waitsWhileJournaldIsStoppedAndLosesNothing() throws Exception {
    int count = 3000;
    AtomicInteger sent = new AtomicInteger();
    Command.of("systemctl", "kill", "--signal=STOP", "systemd-journald").runChecked();
    Thread sender;
    try {
      sender =
          Thread.startVirtualThread(() -> {
            for (int i = 0; i < count; i++) {
              journal.send(
                  JournalEntry.message(6, Integer.toString(i))
                      .field("STAGELET_TEST", mark)
                      .build());
              sent.incrementAndGet();
            }
          });
      await().until(() -> sent.get() > 100);
      int before = sent.get();
      await()
          .during(Duration.ofMillis(500))
          .until(() -> sent.get() < count && sent.get() - before < count);
      assertThat(sender.isAlive()).isTrue();
    } finally {
      Command.of("systemctl", "kill", "--signal=CONT", "systemd-journald").runChecked();
    }
    assertThat(sender.join(Duration.ofSeconds(30))).isTrue();
    assertThat(journalctl("--output=cat").lines()).hasSize(count).endsWith("2999");
  }

  private String journalctl(String... options) {
    Command.of("journalctl", "--sync").runChecked();
    var arguments = new java.util.ArrayList<>(java.util.List.of("journalctl", "--quiet", "--all"));
    arguments.addAll(java.util.List.of(options));
    arguments.add(match());
    return new String(Command.of(arguments).runChecked().output(), StandardCharsets.UTF_8);
  }

  private String match() {
    return "STAGELET_TEST=" + mark;
  }
}
