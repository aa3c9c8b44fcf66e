package io.stagelet.journal;

/**
 * Keeps descriptors alive while this program is not there: systemd's descriptor store ({@code
 * sd_pid_notify_with_fds(3)}).
 *
 * <p>The descriptors are ends of FIFOs, which hang up whenever their last writer goes. systemd
 * drops a stored descriptor that hangs up, and what is in the FIFO with it, unless it is stored
 * with {@code FDPOLL=0}.
 */
public interface DescriptorKeeper {
  /**
   * Keeps a descriptor, which stays the caller's.
   *
   * @param name by which it comes back; at most 255 characters, no colon
   */
  void keep(String name, int fd);

  /** Drops what was kept by this name; nothing is done where there is none. */
  void forget(String name);
}
