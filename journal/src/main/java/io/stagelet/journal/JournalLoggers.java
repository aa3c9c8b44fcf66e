package io.stagelet.journal;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.ILoggerFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All loggers of this program, and the levels that they have. Safe for any thread. */
public final class JournalLoggers implements ILoggerFactory {
  private final MessageSink sink;
  private final Map<String, JournalLogger> loggers = new ConcurrentHashMap<>();
  private volatile LogLevels levels = LogLevels.defaults();

  JournalLoggers(MessageSink sink) {
    this.sink = sink;
  }

  /** From now on these levels hold, for the loggers that there are as well. */
  public static void use(LogLevels levels) {
    if (LoggerFactory.getILoggerFactory() instanceof JournalLoggers ours) {
      ours.levels(levels);
    }
  }

  void levels(LogLevels others) {
    boolean changed = !others.equals(levels);
    levels = others;
    loggers.forEach((name, logger) -> logger.level(others.of(name)));
    if (changed) {
      StoryEvent.LEVELS_CHANGED
          .on(getLogger(JournalLoggers.class.getName()))
          .log("messages are said from the level {} on", others.inWords());
    }
  }

  @Override
  public Logger getLogger(String name) {
    return loggers.computeIfAbsent(name, _ -> new JournalLogger(name, sink, levels.of(name)));
  }
}
