package io.stagelet.journal;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;

/**
 * A message of this program, ready to be said: without secrets.
 *
 * @param fields journal fields: what the message is about, and its {@code MESSAGE_ID} if it has one
 * @param place where in the code it was said, where that is known
 * @param stackTrace of the failure behind it; empty for none
 */
record LogMessage(
    Level level,
    String logger,
    String text,
    Map<String, String> fields,
    @Nullable StackTraceElement place,
    String stackTrace) {}
