package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Turns a registry's refusals into exceptions, with the registry's own words. */
final class RegistryAnswers {
  private static final int WORDS_KEPT = 4096;

  private RegistryAnswers() {}

  /** Whether the same request may succeed a little later. */
  static boolean mayPass(int status) {
    return status == 408 || status == 429 || status >= 500;
  }

  /**
   * The exception for an answer that is not a success. Reads the body.
   *
   * @param what was asked of whom: "manifest 1 of docker.io/library/x at https://..."
   */
  static StageletException refused(String what, RegistryResponse response)
      throws InterruptedException {
    int status = response.statusCode();
    String words = words(response);
    return switch (status) {
      case 401, 403 ->
          new StageletException(
              ErrorCode.PERMISSION_DENIED,
              "%s was denied (HTTP %d): %s. Check the name (a registry denies what it does not have, too) and the pull secret"
                  .formatted(what, status, words));
      case 404 ->
          new StageletException(
              ErrorCode.NOT_FOUND, "%s was not found (HTTP 404): %s".formatted(what, words));
      default ->
          mayPass(status)
              ? unavailable("%s failed (HTTP %d): %s".formatted(what, status, words), null)
              : new StageletException(
                  ErrorCode.INTERNAL, "%s failed (HTTP %d): %s".formatted(what, status, words));
    };
  }

  /** The exception for a registry that does not answer; kubelet looks for its first word. */
  static StageletException unavailable(
      String why, @org.jspecify.annotations.Nullable Throwable cause) {
    return new StageletException(ErrorCode.UNAVAILABLE, "RegistryUnavailable: " + why, cause);
  }

  private static String words(RegistryResponse response) throws InterruptedException {
    byte[] body;
    try (BodyReader reader = response.body()) {
      body = reader.readAll(WORDS_KEPT);
    } catch (IOException broken) {
      return "and its explanation did not arrive: " + StageletException.reason(broken);
    }
    String text = new String(body, StandardCharsets.UTF_8).strip();
    if (!text.startsWith("{")) {
      return text.isEmpty() ? "it gave no reason" : text.lines().findFirst().orElse(text);
    }
    try {
      return errors(Json.object(body, "the answer"), text);
    } catch (StageletException notJson) {
      return text;
    }
  }

  /** {@code {"errors":[{"code":"DENIED","message":"..."}]}}. */
  private static String errors(JsonNode json, String text) {
    List<String> said = new ArrayList<>();
    for (JsonNode error : json.path("errors")) {
      said.add((Json.text(error, "code") + " " + Json.text(error, "message")).strip());
    }
    if (said.isEmpty()) {
      String details = Json.text(json, "details");
      return details.isEmpty() ? text : details;
    }
    return String.join(", ", said);
  }
}
