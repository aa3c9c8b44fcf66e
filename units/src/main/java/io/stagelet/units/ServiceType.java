package io.stagelet.units;

/** When systemd takes a service for started ({@code Type=} of {@code systemd.service(5)}). */
public enum ServiceType {
  /** As soon as the process is forked. */
  SIMPLE("simple"),
  /** When the program has been executed. */
  EXEC("exec"),
  /** When the process that was started has exited; the service is what it left behind. */
  FORKING("forking"),
  /** When the process has exited. */
  ONESHOT("oneshot"),
  /** When it says so ({@code sd_notify(3)}). */
  NOTIFY("notify"),
  /** The same, and it tells about its reloads as well. */
  NOTIFY_RELOAD("notify-reload");

  private final String word;

  ServiceType(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }
}
