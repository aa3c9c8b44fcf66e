package io.stagelet.units;

/** Why a service ended as it did ({@code Result} of {@code org.freedesktop.systemd1(5)}). */
public enum ServiceResult {
  /** It ended well, or has not ended. */
  SUCCESS("success"),
  /** systemd could not set it up: no process, no file, no memory. */
  RESOURCES("resources"),
  /** It did not do what its {@link ServiceType} asks for, such as writing its PID file. */
  PROTOCOL("protocol"),
  /** A start or stop took too long. */
  TIMEOUT("timeout"),
  /** A process of it exited with another code than 0. */
  EXIT_CODE("exit-code"),
  /** A process of it was killed by a signal. */
  SIGNAL("signal"),
  /** A process of it was killed by a signal and left a core dump. */
  CORE_DUMP("core-dump"),
  /** It did not say in time that it is alive. */
  WATCHDOG("watchdog"),
  /** It was started too often. */
  START_LIMIT_HIT("start-limit-hit"),
  /** A process of it was killed for lack of memory. */
  OOM_KILL("oom-kill"),
  /** Its condition command said no. */
  EXEC_CONDITION("exec-condition"),
  /** A word that this version of Stagelet does not know. */
  OTHER("other");

  private final String word;

  ServiceResult(String word) {
    this.word = word;
  }

  /** systemd's word for it. */
  public String word() {
    return word;
  }

  static ServiceResult of(String word) {
    for (ServiceResult known : values()) {
      if (known.word.equals(word)) {
        return known;
      }
    }
    return OTHER;
  }
}
