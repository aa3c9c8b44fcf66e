package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Error numbers of Linux ({@code errno(3)}; the values of x86-64 and arm64, which agree). */
public final class Errno {
  public static final int EPERM = 1;
  public static final int ENOENT = 2;
  public static final int ESRCH = 3;
  public static final int EINTR = 4;
  public static final int EIO = 5;
  public static final int ENXIO = 6;
  public static final int EAGAIN = 11;
  public static final int ENOMEM = 12;
  public static final int EACCES = 13;
  public static final int EBUSY = 16;
  public static final int EEXIST = 17;
  public static final int EXDEV = 18;
  public static final int ENOTDIR = 20;
  public static final int EISDIR = 21;
  public static final int EINVAL = 22;
  public static final int ENFILE = 23;
  public static final int EMFILE = 24;
  public static final int ENOSPC = 28;
  public static final int EROFS = 30;
  public static final int EPIPE = 32;
  public static final int ENOSYS = 38;
  public static final int ENOTEMPTY = 39;
  public static final int ELOOP = 40;
  public static final int ENODATA = 61;
  public static final int EMSGSIZE = 90;
  public static final int EOPNOTSUPP = 95;
  public static final int ENOBUFS = 105;
  public static final int ECONNREFUSED = 111;
  public static final int EDQUOT = 122;

  private static final LibcFunction STRERROR = LibcFunction.of("strerror");

  private Errno() {}

  /** The C library's words for an error number, and the number. */
  static String describe(int errno) {
    try (Arena arena = Arena.ofConfined()) {
      long text = STRERROR.call(LibcFunction.errnoSegment(arena), errno);
      return "%s (errno %d)"
          .formatted(MemorySegment.ofAddress(text).reinterpret(256).getString(0), errno);
    }
  }
}
