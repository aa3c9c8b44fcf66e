package io.stagelet.stage0;

/**
 * How much a layer may unpack to, so that a small download cannot fill the disk.
 *
 * @param bytes of the uncompressed archive, and of any one file's size
 * @param entries files, directories and links
 */
public record UnpackLimits(long bytes, long entries) {
  /** 128 GiB and 20 million entries. */
  public static UnpackLimits defaults() {
    return new UnpackLimits(128L << 30, 20_000_000);
  }
}
