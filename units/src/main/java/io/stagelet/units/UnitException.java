package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A job on a unit that did not come to its good end. */
public final class UnitException extends StageletException {
  private static final long serialVersionUID = 1L;

  /** What {@link #jobResult} is when the job had not ended in time. */
  public static final String STILL_RUNNING = "still running";

  private final transient UnitName unit;
  private final String jobResult;
  private final transient @Nullable UnitStatus status;

  UnitException(
      ErrorCode code,
      String message,
      UnitName unit,
      String jobResult,
      @Nullable UnitStatus status) {
    super(code, message);
    this.unit = unit;
    this.jobResult = jobResult;
    this.status = status;
  }

  /** Which unit. */
  public UnitName unit() {
    return unit;
  }

  /**
   * How the job ended: {@code canceled}, {@code timeout}, {@code failed}, {@code dependency},
   * {@code skipped} ({@code JobRemoved} of {@code org.freedesktop.systemd1(5)}), or {@link
   * #STILL_RUNNING}.
   */
  public String jobResult() {
    return jobResult;
  }

  /** The unit right after that; empty when systemd had forgotten it already. */
  public Optional<UnitStatus> status() {
    return Optional.ofNullable(status);
  }
}
