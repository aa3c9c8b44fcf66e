package io.stagelet.journal;

import org.slf4j.Logger;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * What happens in the life of pods, containers and the server, each with the {@code MESSAGE_ID} by
 * which it is found and explained: {@code journalctl -x} prints the entry of that id in the message
 * catalog ({@code stagelet.catalog}), which has one for each of these.
 *
 * <p>An id is for ever: an event that changes its meaning gets a new one.
 */
public enum StoryEvent {
  /** kubelet, or whoever speaks CRI, asked for something that changes a pod, container or image. */
  CALL_ASKED("617c1656b3bd40b4a95fff6759d03dcf", Level.INFO),
  /** Such a call was answered. */
  CALL_ANSWERED("b19ada14ba53437abe926ed0dddda4f3", Level.INFO),
  /** A call failed. */
  CALL_FAILED("dc35578452c742bf9f5ec5bfa34c0216", Level.ERROR),
  /** A pod's sandbox is up. */
  SANDBOX_READY("b135dbeaa0254c1da952361b24c20a07", Level.INFO),
  /** A pod's sandbox was taken down. */
  SANDBOX_STOPPED("72e6793ea66b4845a3c03f90b6823937", Level.INFO),
  /** A pod's sandbox is forgotten. */
  SANDBOX_REMOVED("11e95fe3326d4e61b89933678097cf0c", Level.INFO),
  /** A CNI network was joined. */
  NETWORK_JOINED("fe83a3ab681c4bcba4e573c79f15a671", Level.INFO),
  /** A CNI network was left. */
  NETWORK_LEFT("8a2d0e6898054ec3bf1bb2bccf636901", Level.INFO),
  /** A CNI plugin did its work, and had something to say. */
  NETWORK_PLUGIN_SAID("c5e78d810c2c44dbbb032aefe05073bc", Level.INFO),
  /** The configuration of the network of pods has changed. */
  NETWORK_CHANGED("41bddc1094e04f53830dd926519c4cdd", Level.INFO),
  /** A pod's unit ended without kubelet having asked. */
  SANDBOX_DOWN("0fe35fe910214a97bfa7f44a9cdd9713", Level.WARN),
  /** A container was made and not started. */
  CONTAINER_MADE("6a6bd368f605477eaa65b4751bd4d904", Level.INFO),
  /** A container's first process runs. */
  CONTAINER_RUNS("44a74e581ac64280913cf61eebce3a73", Level.INFO),
  /** A container was sent its stop signal. */
  CONTAINER_ASKED_TO_END("f7298b8ee955414b9a241d019a012bdf", Level.INFO),
  /** A container outlived its grace period. */
  CONTAINER_KILLED("e91deb4ef7494e908817ad3c1a893b75", Level.INFO),
  /** A container ended. */
  CONTAINER_ENDED("18d24e87fac648e78c78648c0590e33b", Level.INFO),
  /** A container was ended for the memory it took. */
  CONTAINER_OUT_OF_MEMORY("8557562faf7a48928e72f483e9a02831", Level.WARN),
  /** Whether a container was ended for the memory it took cannot be found out. */
  OUT_OF_MEMORY_UNKNOWN("64c5a71ed34c467294ee1da787a92f70", Level.WARN),
  /** A container is forgotten. */
  CONTAINER_REMOVED("ef925c92a7f1458b8b33c4cc2d5c614f", Level.INFO),
  /** A process that left its container holds the container's output open. */
  OUTPUT_HELD_OPEN("2d87b9fbb2b64cfb9e301462835d6e48", Level.WARN),
  /** A container's file or spool takes nothing; the container is held up. */
  OUTPUT_WAITS("5f1c7d0c3a3b4c0fb0c9a3d66c1d2e01", Level.WARN),
  /** It takes output again. */
  OUTPUT_GOES_ON("0a4e5b8f6e0d4f7d9a3a51cf2b7e8c02", Level.INFO),
  /** Output was dropped, as the handler's policy says. */
  OUTPUT_DROPPED("5136c716933143c0a6b3bbf46f483847", Level.WARN),
  /** The journal took no output for a while. */
  JOURNAL_WAS_BEHIND("c2d95e1a7b684b3e8f60d41b93a5fe03", Level.WARN),
  /** The relay failed at something, and tries it again. */
  RELAY_FAILED("572f4d7e7ab3474f8a599def3b2cf51f", Level.ERROR),
  /** The journal could not be asked which entry of a container was its last. */
  ENTRY_IN_DOUBT("6a0e9014423f409293fcc4a251e5da12", Level.WARN),
  /** The server's own messages were dropped, since the journal took none. */
  MESSAGES_DROPPED("062ac3c4b3d54ac0840139d61ce27833", Level.WARN),
  /** Which messages are said changed. */
  LEVELS_CHANGED("ab1509d2c4e8486b90f47e423887b51b", Level.INFO),
  /** The server has brought itself in order after its start. */
  SERVER_RECOVERED("cced4492f6734f24bd3f35869d114d5d", Level.INFO),
  /** A pod that was not made to its end when the server ended was undone. */
  SANDBOX_UNDONE("998ab030a0544d70abe1d00c1564a5b7", Level.INFO),
  /** A record on disk could not be copied. */
  RECORD_WITHOUT_COPY("3a8e0c9a4413481fb343e9a9042c12a0", Level.WARN),
  /** What became of a pod or container could not be written to disk. */
  RECORD_NOT_WRITTEN("aa44951c67444b3481f0394a9fbdbb59", Level.WARN),
  /** Something could not be brought in order. */
  RECOVERY_FAILED("802da3f2512340829ed383edc6fc0705", Level.ERROR),
  /** A record on disk cannot be read. */
  RECORD_DAMAGED("7c0745a1f7e94d2db936a3c0836f2c5e", Level.ERROR),
  /** Something that belonged to nobody was removed. */
  LEFTOVER_REMOVED("84bb45066e934bf8a195315e46f51de0", Level.INFO),
  /** The configuration was read again. */
  CONFIGURATION_RELOADED("3b7e0f0cbb1a4c5d9a54a1d5fd1f6f0e", Level.INFO),
  /** The configuration was to be read again, and has mistakes. */
  CONFIGURATION_REFUSED("f6f3a6b8f6de4a4a8a1d7f0f6c1a9e52", Level.ERROR),
  /** A client of exec, attach or port-forward was cut off. */
  STREAM_CUT_OFF("9d3b655116c14166b2535d6ac1dbe4d6", Level.INFO),
  /** A session of exec, attach or port-forward failed for a reason that was not foreseen. */
  STREAM_FAILED("47f3993d91a74c09ba75e86cce3227a2", Level.ERROR),
  /** What an exec has started could not be ended or cleaned up. */
  EXEC_LEFT_OVER("3a9c93eaca7745308dbfab32df6ef0b9", Level.WARN),
  /** The kernel has AppArmor, and containers run without its default profile. */
  APPARMOR_UNUSED("a8093c7b6a45421fa05e3038fe1abe80", Level.WARN),
  /** The collector of traces takes none. */
  TRACES_NOT_TAKEN("179052247b1b48668d7d182e4b986bb9", Level.WARN),
  /** A process that may not speak CRI tried to. */
  CALLER_REFUSED("e89e2e89b4f24bdcb9ffe4bbd0bdf987", Level.WARN),
  /** A question at the control socket could not be answered. */
  PAGE_FAILED("2d6eb11dad224a3ab432956c0482745f", Level.WARN),
  /** The server does not answer itself, and systemd's watchdog is not told that it is well. */
  WATCHDOG_NOT_TOLD("30a4e6eed8374bcdbc4900a2c1cc7e48", Level.WARN);

  /** The key under which a log statement names its event. */
  static final String KEY = "MESSAGE_ID";

  private final String id;
  private final Level level;

  StoryEvent(String id, Level level) {
    this.id = id;
    this.level = level;
  }

  /** Its {@code MESSAGE_ID}: 32 hexadecimal digits. */
  public String id() {
    return id;
  }

  /** How grave it is. */
  public Level level() {
    return level;
  }

  /**
   * Begins the message that says it: {@code SANDBOX_READY.on(LOG).log("sandbox {} is ready", id)}.
   * Further fields come by {@code addKeyValue}, with journal field names as keys.
   */
  public LoggingEventBuilder on(Logger log) {
    return on(log, level);
  }

  /** As {@link #on(Logger)}, where it is more or less grave than usual. */
  public LoggingEventBuilder on(Logger log, Level otherLevel) {
    return log.atLevel(otherLevel).addKeyValue(KEY, id);
  }
}
