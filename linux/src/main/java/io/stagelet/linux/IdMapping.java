package io.stagelet.linux;

/**
 * A range of user or group ids ({@code user_namespaces(7)}).
 *
 * @param inside the first id as it is in the namespace, and on the disk
 * @param outside the first id as this machine sees it
 * @param length how many ids, at least 1
 */
public record IdMapping(long inside, long outside, long length) {
  private static final long IDS = 1L << 32;

  public IdMapping {
    if (inside < 0
        || outside < 0
        || length < 1
        || inside + length > IDS - 1
        || outside + length > IDS - 1) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%d ids from %d on cannot be mapped to %d and following"
              .formatted(length, inside, outside));
    }
  }

  /** The line of {@code /proc/PID/uid_map}. */
  String line() {
    return inside + " " + outside + " " + length + "\n";
  }
}
