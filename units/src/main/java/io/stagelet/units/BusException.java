package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;

/** An error that systemd or the bus answered with. */
final class BusException extends StageletException {
  private static final long serialVersionUID = 1L;

  static final String NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";

  private final String error;

  BusException(String error, String message) {
    super(codeOf(error), message);
    this.error = error;
  }

  /** The error's name on the bus. */
  String error() {
    return error;
  }

  private static ErrorCode codeOf(String error) {
    return switch (error) {
      case NO_SUCH_UNIT,
          "org.freedesktop.systemd1.NoSuchProcess",
          "org.freedesktop.DBus.Error.UnknownObject" ->
          ErrorCode.NOT_FOUND;
      case "org.freedesktop.systemd1.UnitExists" -> ErrorCode.ALREADY_EXISTS;
      case "org.freedesktop.systemd1.BadUnitSetting",
          "org.freedesktop.DBus.Error.InvalidArgs",
          "org.freedesktop.DBus.Error.PropertyReadOnly",
          "org.freedesktop.DBus.Error.UnknownProperty" ->
          ErrorCode.INVALID_ARGUMENT;
      case "org.freedesktop.systemd1.LoadFailed",
          "org.freedesktop.systemd1.UnitMasked",
          "org.freedesktop.systemd1.JobTypeNotApplicable",
          "org.freedesktop.systemd1.TransactionIsDestructive",
          "org.freedesktop.systemd1.TransactionJobsConflicting",
          "org.freedesktop.systemd1.TransactionOrderIsCyclic",
          "org.freedesktop.systemd1.OnlyByDependency",
          "org.freedesktop.systemd1.ShuttingDown" ->
          ErrorCode.FAILED_PRECONDITION;
      case "org.freedesktop.DBus.Error.AccessDenied",
          "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" ->
          ErrorCode.PERMISSION_DENIED;
      case "org.freedesktop.DBus.Error.LimitsExceeded", "org.freedesktop.DBus.Error.NoMemory" ->
          ErrorCode.RESOURCE_EXHAUSTED;
      case "org.freedesktop.DBus.Error.NotSupported" -> ErrorCode.UNIMPLEMENTED;
      case "org.freedesktop.DBus.Error.NoReply",
          "org.freedesktop.DBus.Error.Disconnected",
          "org.freedesktop.DBus.Error.ServiceUnknown",
          "org.freedesktop.DBus.Error.NameHasNoOwner" ->
          ErrorCode.UNAVAILABLE;
      default -> ErrorCode.INTERNAL;
    };
  }
}
