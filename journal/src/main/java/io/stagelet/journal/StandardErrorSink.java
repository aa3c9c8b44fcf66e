package io.stagelet.journal;

import java.io.PrintStream;
import java.time.Clock;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;

/** Messages for whoever sits before the terminal: one line each, and the stack trace if any. */
final class StandardErrorSink implements MessageSink {
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSS");

  private final PrintStream out;
  private final Clock clock;

  StandardErrorSink(PrintStream out, Clock clock) {
    this.out = out;
    this.clock = clock;
  }

  @Override
  public void say(LogMessage message) {
    String line =
        "%s %-5s %s: %s"
            .formatted(
                TIME.format(clock.instant().atZone(ZoneId.systemDefault())),
                message.level(),
                message.logger().substring(message.logger().lastIndexOf('.') + 1),
                message.text());
    out.println(message.stackTrace().isEmpty() ? line : line + "\n" + message.stackTrace());
  }
}
