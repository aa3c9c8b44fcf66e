package io.stagelet.linux;

/** Whether mounts made below a mount show in its copies ({@code mount_namespaces(7)}). */
public enum MountPropagation {
  SHARED(1 << 20),
  PRIVATE(1 << 18),
  SLAVE(1 << 19),
  UNBINDABLE(1 << 17);

  private final long bit;

  MountPropagation(long bit) {
    this.bit = bit;
  }

  long bit() {
    return bit;
  }
}
