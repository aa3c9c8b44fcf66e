package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;
import org.slf4j.event.Level;

class JournalLoggerTest {
  private final List<LogMessage> said = new ArrayList<>();
  private final JournalLoggers loggers = new JournalLoggers(said::add);
  private final Logger log = loggers.getLogger("io.stagelet.Test");

  @Test
  void carriesTheFieldsOfTheStoryItIsIn() {
    Story.about(
        Map.of("K8S_POD_UID", "u-1"),
        () -> Story.about(Map.of("CONTAINER_ID", "c-1"), () -> log.info("inner {}", 7)));
    log.info("outside");
    assertThat(said.get(0).text()).isEqualTo("inner 7");
    assertThat(said.get(0).fields())
        .containsExactlyInAnyOrderEntriesOf(Map.of("K8S_POD_UID", "u-1", "CONTAINER_ID", "c-1"));
    assertThat(said.get(1).fields()).isEmpty();
  }

  @Test
  void doesNotCarryTheStoryToAnotherThread() {
    Story.about(
        Map.of("K8S_POD_UID", "u-1"),
        () -> CompletableFuture.runAsync(() -> log.info("elsewhere")).join());
    assertThat(said).singleElement().extracting(LogMessage::fields).isEqualTo(Map.of());
  }

  @Test
  void carriesTheStoryToAnotherThreadWhereAskedTo() {
    Story.about(
        Map.of("K8S_POD_UID", "u-1"),
        () -> CompletableFuture.runAsync(Story.carried(() -> log.info("elsewhere"))).join());
    assertThat(said)
        .singleElement()
        .extracting(LogMessage::fields)
        .isEqualTo(Map.of("K8S_POD_UID", "u-1"));
  }

  @Test
  void saysOnceThatOtherLevelsHold() {
    LogLevels others = LogLevels.defaults().with(Level.INFO, Map.of("io.stagelet", Level.DEBUG));
    loggers.levels(others);
    loggers.levels(others);
    assertThat(said)
        .singleElement()
        .satisfies(message -> {
          assertThat(message.text()).contains("level info", "io.stagelet from debug");
          assertThat(message.fields()).containsEntry("MESSAGE_ID", StoryEvent.LEVELS_CHANGED.id());
        });
  }

  @Test
  void saysAnEventWithItsIdItsLevelAndFurtherFields() {
    StoryEvent.CONTAINER_ENDED.on(log).addKeyValue("EXIT_CODE", 3).log("it ended with {}", 3);
    assertThat(said).hasSize(1);
    assertThat(said.getFirst().level()).isEqualTo(Level.INFO);
    assertThat(said.getFirst().fields())
        .containsEntry("MESSAGE_ID", StoryEvent.CONTAINER_ENDED.id())
        .containsEntry("EXIT_CODE", "3");
  }

  @Test
  void namesThePlaceOfTheLogStatement() {
    log.info("here");
    StoryEvent.SANDBOX_READY.on(log).log("and here");
    assertThat(said)
        .allSatisfy(message -> {
          assertThat(message.place()).isNotNull();
          assertThat(message.place().getMethodName()).isEqualTo("namesThePlaceOfTheLogStatement");
        });
  }

  @Test
  void tellsTheReasonOfAFailureInTheMessageAndItsTraceBeside() {
    log.warn("could not clean up after {}", "web", new IllegalStateException("the disk is gone"));
    assertThat(said.getFirst().text()).isEqualTo("could not clean up after web: the disk is gone");
    assertThat(said.getFirst().stackTrace()).contains("IllegalStateException", "JournalLoggerTest");
  }

  @Test
  void isSilentBelowItsLevelAndHearsOfNewLevels() {
    log.debug("hidden");
    loggers.levels(new LogLevels(Level.INFO, Map.of("io.stagelet", Level.DEBUG)));
    log.debug("shown");
    assertThat(said).extracting(LogMessage::text).doesNotContain("hidden").endsWith("shown");
  }

  @Test
  void sendsEntriesThatWaitedWhileNobodyListenedInOrder(@TempDir Path directory) throws Exception {
    Path socket = directory.resolve("socket");
    Logger sent = new JournalLoggers(new JournalSink(socket)).getLogger("io.stagelet.Test");
    for (int i = 0; i < 100; i++) {
      sent.info("message {}", i);
    }
    try (JournalReceiver journald = new JournalReceiver(socket)) {
      await().until(() -> journald.entries().size() == 100);
      List<String> texts =
          journald.entries().stream().map(entry -> JournalReceiver.text(entry, "MESSAGE")).toList();
      assertThat(texts).first().isEqualTo("message 0");
      assertThat(texts).last().isEqualTo("message 99");
    }
  }
}
