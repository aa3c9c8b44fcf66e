package io.stagelet.units;

import io.stagelet.linux.UnixDatagrams;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What this service tells systemd of itself ({@code sd_notify(3)}). Where systemd does not listen,
 * nothing is sent and nothing fails; {@link #present} tells.
 */
public final class SdNotify {
  /** {@code sd_notify(3)} of FDNAME: ASCII without control characters and colons, at most 255. */
  private static final Pattern DESCRIPTOR_NAME = Pattern.compile("[\\x20-\\x7E&&[^:]]{1,255}");

  private final @Nullable String socket;

  /**
   * @param notifySocket the variable {@code NOTIFY_SOCKET}: a path, or an abstract name that begins
   *     with {@code @}. It should not reach the programs this process runs.
   */
  public SdNotify(Optional<String> notifySocket) {
    this.socket =
        notifySocket
            .filter(address -> address.startsWith("/") || address.startsWith("@"))
            .orElse(null);
  }

  /** Whether systemd listens. */
  public boolean present() {
    return socket != null;
  }

  /** The service is up, or its reload is done. */
  public void ready() {
    send("READY=1");
  }

  /** What the service is doing, in one line, for {@code systemctl status}. */
  public void status(String text) {
    send("STATUS=" + text.replace('\n', ' '));
  }

  /** The service begins to read its configuration again; {@link #ready} ends that. */
  public void reloading() {
    // CLOCK_MONOTONIC, which System.nanoTime reads on Linux
    send("RELOADING=1\nMONOTONIC_USEC=" + System.nanoTime() / 1_000);
  }

  /** The service begins to stop. */
  public void stopping() {
    send("STOPPING=1");
  }

  /** The service is alive; to be sent at least twice in each {@link #watchdogInterval}. */
  public void watchdog() {
    send("WATCHDOG=1");
  }

  /**
   * Gives systemd a duplicate of a descriptor to keep while the service is restarted ({@code
   * FDSTORE=1}); it comes back through {@link SocketActivation}. systemd keeps it also when the
   * other end hangs up ({@code FDPOLL=0}), so a FIFO without writers stays.
   *
   * <p>It is dropped without a word when the store is full ({@code FileDescriptorStoreMax=}).
   * Storing the same open file under the same name again changes nothing.
   *
   * @param name at most 255 printable ASCII characters but {@code :}
   */
  public void store(String name, int fd) {
    send("FDSTORE=1\nFDPOLL=0\nFDNAME=" + checked(name), fd);
  }

  /** Makes systemd drop and close all kept descriptors of that name; fine when there is none. */
  public void removeStored(String name) {
    send("FDSTOREREMOVE=1\nFDNAME=" + checked(name));
  }

  /**
   * How long systemd waits between two {@link #watchdog} before it takes the service for dead;
   * empty when it does not look.
   *
   * @param watchdogMicroseconds the variable {@code WATCHDOG_USEC}
   * @param watchdogPid the variable {@code WATCHDOG_PID}
   * @param pid of this process
   */
  public static Optional<Duration> watchdogInterval(
      Optional<String> watchdogMicroseconds, Optional<String> watchdogPid, long pid) {
    if (watchdogPid.isPresent() && !watchdogPid.get().equals(Long.toString(pid))) {
      return Optional.empty();
    }
    return watchdogMicroseconds
        .filter(text -> text.matches("\\d{1,15}"))
        .map(Long::parseLong)
        .filter(microseconds -> microseconds > 0)
        .map(microseconds -> Duration.ofNanos(microseconds * 1_000));
  }

  private void send(String message, int... descriptors) {
    if (socket != null) {
      try (UnixDatagrams sender = UnixDatagrams.unbound()) {
        sender.send(socket, message.getBytes(StandardCharsets.UTF_8), descriptors);
      }
    }
  }

  private static String checked(String name) {
    if (!DESCRIPTOR_NAME.matcher(name).matches()) {
      throw new IllegalArgumentException("'%s' is no name for a stored descriptor".formatted(name));
    }
    return name;
  }
}
