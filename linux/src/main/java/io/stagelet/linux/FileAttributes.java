package io.stagelet.linux;

import java.util.Map;

/**
 * What a file has besides its content.
 *
 * @param uid owner, 0 to 2^32 - 2
 * @param gid group, 0 to 2^32 - 2
 * @param mode permission bits with set-user-id, set-group-id and sticky (0 to 07777); a symbolic
 *     link's is ignored
 * @param mtimeSeconds modification time, seconds since 1970
 * @param mtimeNanos and nanoseconds, 0 to 999,999,999
 * @param xattrs extended attributes by full name ({@code security.capability}); the values are not
 *     copied
 */
public record FileAttributes(
    long uid, long gid, int mode, long mtimeSeconds, int mtimeNanos, Map<String, byte[]> xattrs) {
  private static final long LARGEST_ID = 0xFFFFFFFEL;

  public FileAttributes {
    if (uid < 0 || uid > LARGEST_ID || gid < 0 || gid > LARGEST_ID) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "owner %d or group %d is no Linux id".formatted(uid, gid));
    }
    if ((mode & ~07777) != 0 || mtimeNanos < 0 || mtimeNanos > 999_999_999) {
      throw new IllegalArgumentException(
          "mode 0%o or %d nanoseconds out of range".formatted(mode, mtimeNanos));
    }
    xattrs = Map.copyOf(xattrs);
  }
}
