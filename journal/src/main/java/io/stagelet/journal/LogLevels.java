package io.stagelet.journal;

import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.event.Level;

/**
 * Which messages are said: those at least as grave as the level of their logger. A logger has the
 * level of the longest of {@code byName} that it is, or that is a package around it; otherwise
 * {@code usual}.
 */
public record LogLevels(Level usual, Map<String, Level> byName) {
  public LogLevels {
    byName = Map.copyOf(byName);
  }

  /**
   * What holds without configuration. Netty warns at each start that this machine has no hardware
   * address it likes; it then takes a random one, and nothing is wrong.
   */
  public static LogLevels defaults() {
    return new LogLevels(
        Level.INFO,
        Map.of(
            "io.netty.util.internal.MacAddressUtil",
            Level.ERROR,
            "org.freedesktop.dbus",
            Level.WARN));
  }

  /** These with others over them. */
  public LogLevels with(Level otherUsual, Map<String, Level> others) {
    Map<String, Level> all = new java.util.HashMap<>(byName);
    all.putAll(others);
    return new LogLevels(otherUsual, all);
  }

  /** As an administrator reads it: the usual level, and those that differ, by name. */
  String inWords() {
    StringBuilder words = new StringBuilder(usual.name().toLowerCase(Locale.ROOT));
    new TreeMap<>(byName)
        .forEach((name, level) ->
            words
                .append(", ")
                .append(name)
                .append(" from ")
                .append(level.name().toLowerCase(Locale.ROOT)));
    return words.toString();
  }

  /** The level of a logger. */
  Level of(String logger) {
    String name = logger;
    while (true) {
      Level level = byName.get(name);
      if (level != null) {
        return level;
      }
      int dot = name.lastIndexOf('.');
      if (dot < 0) {
        return usual;
      }
      name = name.substring(0, dot);
    }
  }
}
