package io.stagelet.linux;

/**
 * What kind of failure a {@link StageletException} is, so that a caller knows whether to retry, to
 * correct, or to give up. The CRI server maps each code to one gRPC status.
 */
public enum ErrorCode {
  /** The request itself is wrong; the same request fails again. */
  INVALID_ARGUMENT,
  /** What the request names does not exist. */
  NOT_FOUND,
  /** What the request would make exists, and is something else. */
  ALREADY_EXISTS,
  /** The request is right, but not in this state of things. */
  FAILED_PRECONDITION,
  /** The caller, or this process, may not do it. */
  PERMISSION_DENIED,
  /** A disk, a limit or a quota is used up. */
  RESOURCE_EXHAUSTED,
  /**
   * Something this depends on (a registry, systemd, a plugin) is not there now; a retry may help.
   */
  UNAVAILABLE,
  /** It took longer than the caller allowed. */
  DEADLINE_EXCEEDED,
  /** The caller went away. */
  CANCELLED,
  /** Not built, or not on this machine. */
  UNIMPLEMENTED,
  /** What was read is damaged. */
  DATA_LOSS,
  /** Everything else: a fault of this program or of a tool it runs. */
  INTERNAL
}
