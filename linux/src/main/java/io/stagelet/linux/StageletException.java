package io.stagelet.linux;

import org.jspecify.annotations.Nullable;

/**
 * The root of every exception this project throws on purpose.
 *
 * <p>The message is a sentence for the person who runs the node: what failed, on what, why, and
 * what to do. A cause's own words belong into the message when they tell the reason; the cause
 * itself is always kept.
 */
public class StageletException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final ErrorCode code;

  /** An exception with no other behind it. */
  public StageletException(ErrorCode code, String message) {
    this(code, message, null);
  }

  /** An exception that another caused. */
  public StageletException(ErrorCode code, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /** What kind of failure this is. */
  public ErrorCode code() {
    return code;
  }

  /** The message of {@code failure}, or its type's name where it has none; never empty. */
  public static String reason(Throwable failure) {
    String message = failure.getMessage();
    return message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
  }
}
