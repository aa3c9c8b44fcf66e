package io.stagelet.stage1.nspawn;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * What the stage1 {@code nspawn} does on its own, each with the {@code MESSAGE_ID} by which the
 * journal finds it and its message catalog explains it.
 *
 * <p>An id is for ever: an event that changes its meaning gets a new one.
 */
public enum NspawnEvent {
  /** A command in a container lost its client when the server ended, and is killed. */
  EXEC_ENDED("56257876102a433dab0f766bf5b125d1", Level.INFO),

  /** No machine can have users of its own here. */
  IDS_NOT_MAPPED("be8fb44276fe4601aae97b0a1ea0681d", Level.INFO);

  private final String id;
  private final Level level;

  NspawnEvent(String id, Level level) {
    this.id = id;
    this.level = level;
  }

  /** How grave each event is, by its {@code MESSAGE_ID}. */
  public static Map<String, Level> byId() {
    return Stream.of(values()).collect(Collectors.toMap(event -> event.id, event -> event.level));
  }

  /** Begins the message that says it. */
  LoggingEventBuilder on(Logger log) {
    return log.atLevel(level).addKeyValue("MESSAGE_ID", id);
  }
}
