package io.stagelet.linux;

/** A system call that the kernel refused. */
public final class SystemCallException extends StageletException {
  private static final long serialVersionUID = 1L;

  private final int errno;

  SystemCallException(String call, String subject, int errno) {
    super(codeOf(errno), "%s of %s failed: %s".formatted(call, subject, Errno.describe(errno)));
    this.errno = errno;
  }

  /** The error number, as in {@code errno(3)}; see {@link Errno}. */
  public int errno() {
    return errno;
  }

  private static ErrorCode codeOf(int errno) {
    return switch (errno) {
      case Errno.ENOENT, Errno.ESRCH -> ErrorCode.NOT_FOUND;
      case Errno.EEXIST -> ErrorCode.ALREADY_EXISTS;
      case Errno.EPERM, Errno.EACCES -> ErrorCode.PERMISSION_DENIED;
      case Errno.ENOSPC, Errno.EDQUOT, Errno.EMFILE, Errno.ENFILE, Errno.ENOMEM ->
          ErrorCode.RESOURCE_EXHAUSTED;
      case Errno.ENOSYS, Errno.EOPNOTSUPP -> ErrorCode.UNIMPLEMENTED;
      default -> ErrorCode.INTERNAL;
    };
  }
}
