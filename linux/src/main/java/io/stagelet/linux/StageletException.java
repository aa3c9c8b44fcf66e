package io.stagelet.linux;

import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
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

  /**
   * The message of {@code failure}, or its type's name where it has none; never empty. Where the
   * JDK names only a file, what is wrong with it is added.
   */
  public static String reason(Throwable failure) {
    String message = failure.getMessage();
    if (failure instanceof FileSystemException of && of.getReason() == null && message != null) {
      String wrong =
          switch (of) {
            case NoSuchFileException _ -> "no such file or directory: ";
            case AccessDeniedException _ -> "permission denied: ";
            case FileAlreadyExistsException _ -> "it exists already: ";
            case DirectoryNotEmptyException _ -> "the directory is not empty: ";
            case NotDirectoryException _ -> "not a directory: ";
            default -> "";
          };
      return wrong + message;
    }
    return message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
  }
}
