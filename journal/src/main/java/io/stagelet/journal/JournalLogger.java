package io.stagelet.journal;

import io.stagelet.linux.StageletException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Marker;
import org.slf4j.event.KeyValuePair;
import org.slf4j.event.Level;
import org.slf4j.event.LoggingEvent;
import org.slf4j.helpers.LegacyAbstractLogger;
import org.slf4j.helpers.MessageFormatter;
import org.slf4j.spi.LoggingEventAware;

/** A logger whose messages carry the fields of the present {@link Story}. */
final class JournalLogger extends LegacyAbstractLogger implements LoggingEventAware {
  private static final long serialVersionUID = 1L;
  private static final int LONGEST_TRACE = 32 << 10;

  /** Frames between a log statement and this class. */
  private static final List<String> BETWEEN =
      List.of("org.slf4j.", "java.util.logging.", JournalLogger.class.getName() + ".");

  private final transient MessageSink sink;
  private volatile Level level;

  JournalLogger(String name, MessageSink sink, Level level) {
    this.name = name;
    this.sink = sink;
    this.level = level;
  }

  void level(Level other) {
    level = other;
  }

  @Override
  public boolean isTraceEnabled() {
    return says(Level.TRACE);
  }

  @Override
  public boolean isDebugEnabled() {
    return says(Level.DEBUG);
  }

  @Override
  public boolean isInfoEnabled() {
    return says(Level.INFO);
  }

  @Override
  public boolean isWarnEnabled() {
    return says(Level.WARN);
  }

  @Override
  public boolean isErrorEnabled() {
    return says(Level.ERROR);
  }

  private boolean says(Level asked) {
    return asked.toInt() >= level.toInt();
  }

  @Override
  public void log(LoggingEvent event) {
    say(
        event.getLevel(),
        event.getMessage(),
        event.getArgumentArray(),
        event.getThrowable(),
        event.getKeyValuePairs());
  }

  @Override
  protected @Nullable String getFullyQualifiedCallerName() {
    return null;
  }

  @Override
  protected void handleNormalizedLoggingCall(
      Level asked,
      @Nullable Marker marker,
      String pattern,
      Object @Nullable [] arguments,
      @Nullable Throwable failure) {
    say(asked, pattern, arguments, failure, null);
  }

  private void say(
      Level asked,
      @Nullable String pattern,
      Object @Nullable [] arguments,
      @Nullable Throwable failure,
      @Nullable List<KeyValuePair> pairs) {
    StringBuilder text =
        new StringBuilder(String.valueOf(MessageFormatter.basicArrayFormat(pattern, arguments)));
    Map<String, String> fields = new LinkedHashMap<>(Story.fields());
    if (pairs != null) {
      for (KeyValuePair pair : pairs) {
        if (NativeProtocol.isName(pair.key)) {
          fields.put(pair.key, String.valueOf(pair.value));
        } else {
          text.append(' ').append(pair.key).append('=').append(pair.value);
        }
      }
    }
    if (failure != null && text.indexOf(StageletException.reason(failure)) < 0) {
      text.append(": ").append(StageletException.reason(failure));
    }
    sink.say(
        new LogMessage(
            asked,
            name,
            SecretFilter.clean(text.toString()),
            fields,
            place(),
            failure == null ? "" : SecretFilter.clean(trace(failure))));
  }

  private static @Nullable StackTraceElement place() {
    return StackWalker.getInstance()
        .walk(frames ->
            frames
                .filter(
                    frame -> BETWEEN.stream().noneMatch((frame.getClassName() + ".")::startsWith))
                .findFirst()
                .map(StackWalker.StackFrame::toStackTraceElement)
                .orElse(null));
  }

  private static String trace(Throwable failure) {
    StringWriter trace = new StringWriter();
    failure.printStackTrace(new PrintWriter(trace));
    String text = trace.toString().stripTrailing();
    return text.length() <= LONGEST_TRACE ? text : text.substring(0, LONGEST_TRACE) + " …";
  }
}
