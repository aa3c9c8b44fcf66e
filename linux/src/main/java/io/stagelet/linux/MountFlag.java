package io.stagelet.linux;

/** What a mount forbids or leaves out ({@code mount(2)}). */
public enum MountFlag {
  READ_ONLY(0x1, 0x1),
  NO_SET_USER_ID(0x2, 0x2),
  NO_DEVICES(0x4, 0x4),
  NO_EXEC(0x8, 0x8),
  NO_ACCESS_TIMES(0x400, 0x10);

  private final long bit;
  private final long attribute;

  MountFlag(long bit, long attribute) {
    this.bit = bit;
    this.attribute = attribute;
  }

  /** The MS_ bit of mount(2). */
  static long bits(Iterable<MountFlag> flags) {
    long bits = 0;
    for (MountFlag flag : flags) {
      bits |= flag.bit;
    }
    return bits;
  }

  /** The MOUNT_ATTR_ bit of fsmount(2). */
  static long attributes(Iterable<MountFlag> flags) {
    long attributes = 0;
    for (MountFlag flag : flags) {
      attributes |= flag.attribute;
    }
    return attributes;
  }
}
