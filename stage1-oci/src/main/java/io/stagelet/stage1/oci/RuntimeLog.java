package io.stagelet.stage1.oci;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The errors in the log of an OCI runtime, whichever way it writes them: JSON, an object on a line
 * or over several; {@code time="…" level=error msg="…"}; or plain words. Lines that begin no entry
 * belong to the one before: an error of several lines is one error.
 */
final class RuntimeLog {
  private static final Pattern TEXT =
      Pattern.compile(
          "(?:time=\\S+ )?level=(?<level>\\w+) msg=(?<message>\"(?:[^\"\\\\]|\\\\.)*\"|.*?)(?: \\w+=.*)?");
  private static final List<String> ERRORS = List.of("error", "fatal", "panic");

  private static final String CUT_OFF = "end-of-input";

  private final ObjectMapper json;
  private final List<String> errors = new ArrayList<>();

  /** Whether more lines may belong to the last entry; and whether that is an error. */
  private boolean open;

  private boolean openIsError;

  private RuntimeLog(ObjectMapper json) {
    this.json = json;
  }

  /** The errors of a log, with semicolons between them; empty when it has none. */
  static String errors(Path log, ObjectMapper json) {
    if (!Files.exists(log)) {
      return "";
    }
    try {
      return errors(new String(Files.readAllBytes(log), StandardCharsets.UTF_8), json);
    } catch (IOException failure) {
      return "(its log %s cannot be read: %s)".formatted(log, StageletException.reason(failure));
    }
  }

  /** The same of a log's text. */
  static String errors(String text, ObjectMapper json) {
    RuntimeLog log = new RuntimeLog(json);
    StringBuilder object = new StringBuilder();
    for (String line : text.lines().toList()) {
      if (object.isEmpty() && !line.startsWith("{")) {
        log.words(line);
        continue;
      }
      object.append(line).append('\n');
      if (log.isWhole(object.toString())) {
        object.setLength(0);
      }
    }
    // cut off, by a crash or a full disk
    object.toString().lines().forEach(log::words);
    return String.join("; ", log.errors.stream().map(String::strip).distinct().toList());
  }

  /** Takes an object that is whole; one that will never be is words. */
  private boolean isWhole(String object) {
    try {
      JsonNode entry = json.readTree(object);
      open = false;
      if (ERRORS.contains(entry.path("level").asText())) {
        errors.add(entry.path("msg").asText());
      }
      return true;
    } catch (JsonProcessingException noJson) {
      // the parser and the binding say so by different classes
      if (noJson instanceof JsonEOFException || noJson.getOriginalMessage().contains(CUT_OFF)) {
        return false;
      }
      object.lines().forEach(this::words);
      return true;
    }
  }

  private void words(String line) {
    Matcher entry = TEXT.matcher(line);
    if (entry.matches()) {
      open = true;
      openIsError = ERRORS.contains(entry.group("level"));
      if (openIsError) {
        errors.add(unquoted(entry.group("message")));
      }
    } else if (!open) {
      if (!line.isBlank()) {
        open = true;
        openIsError = true;
        errors.add(line);
      }
    } else if (openIsError) {
      errors.set(errors.size() - 1, errors.getLast() + "\n" + line);
    }
  }

  private String unquoted(String message) {
    if (message.length() < 2 || !message.startsWith("\"") || !message.endsWith("\"")) {
      return message;
    }
    try {
      return json.readTree(message).asText();
    } catch (JsonProcessingException otherEscapes) {
      return message.substring(1, message.length() - 1);
    }
  }
}
