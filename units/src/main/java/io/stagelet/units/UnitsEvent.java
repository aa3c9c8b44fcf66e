package io.stagelet.units;

import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * What happens between this program and systemd, each with the {@code MESSAGE_ID} by which the
 * journal finds it and its message catalog explains it.
 *
 * <p>An id is for ever: an event that changes its meaning gets a new one.
 */
public enum UnitsEvent {
  /** The connection to systemd is lost, and made again. */
  BUS_LOST("dc7db42eef7c420abdac0cf155300eb4", Level.WARN),
  /** It is there again. */
  BUS_BACK("2bcd35b8de2446379af268fcc059aae8", Level.INFO),
  /** What systemd said of a unit could not be read or handled. */
  NEWS_UNREAD("8d2984b7a53141eca71f8ad6812d13d1", Level.ERROR);

  private final String id;
  private final Level level;

  UnitsEvent(String id, Level level) {
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
