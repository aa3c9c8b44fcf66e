package io.stagelet.stage0.spi;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import org.jspecify.annotations.Nullable;

/**
 * A container whose first process could not be run: its status is then exit code 128, reason
 * StartError.
 */
public final class StartFailure extends StageletException {
  private static final long serialVersionUID = 1L;

  /** A failure with the words of whoever refused. */
  public StartFailure(String message, @Nullable Throwable cause) {
    super(ErrorCode.FAILED_PRECONDITION, message, cause);
  }
}
