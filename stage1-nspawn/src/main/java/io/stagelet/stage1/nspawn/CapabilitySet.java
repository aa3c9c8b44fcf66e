package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

/** Capabilities as bits and as words ({@code capabilities(7)}). */
final class CapabilitySet {
  private static final List<String> NAMES =
      List.of(
          "CHOWN",
          "DAC_OVERRIDE",
          "DAC_READ_SEARCH",
          "FOWNER",
          "FSETID",
          "KILL",
          "SETGID",
          "SETUID",
          "SETPCAP",
          "LINUX_IMMUTABLE",
          "NET_BIND_SERVICE",
          "NET_BROADCAST",
          "NET_ADMIN",
          "NET_RAW",
          "IPC_LOCK",
          "IPC_OWNER",
          "SYS_MODULE",
          "SYS_RAWIO",
          "SYS_CHROOT",
          "SYS_PTRACE",
          "SYS_PACCT",
          "SYS_ADMIN",
          "SYS_BOOT",
          "SYS_NICE",
          "SYS_RESOURCE",
          "SYS_TIME",
          "SYS_TTY_CONFIG",
          "MKNOD",
          "LEASE",
          "AUDIT_WRITE",
          "AUDIT_CONTROL",
          "SETFCAP",
          "MAC_OVERRIDE",
          "MAC_ADMIN",
          "SYSLOG",
          "WAKE_ALARM",
          "BLOCK_SUSPEND",
          "AUDIT_READ",
          "PERFMON",
          "BPF",
          "CHECKPOINT_RESTORE");
  private static final String PREFIX = "CAP_";

  private CapabilitySet() {}

  /** One bit for each. */
  static long bits(Collection<String> capabilities) {
    long bits = 0;
    for (String capability : capabilities) {
      int number = NAMES.indexOf(capability.replace(PREFIX, ""));
      if (number < 0) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "the stage1 nspawn does not know the capability " + capability);
      }
      bits |= 1L << number;
    }
    return bits;
  }

  /** As {@code setpriv(1)} takes a whole set: first none, then each of these. */
  static String words(Collection<String> capabilities) {
    StringBuilder words = new StringBuilder("-all");
    capabilities.forEach(capability ->
        words.append(",+").append(capability.replace(PREFIX, "").toLowerCase(Locale.ROOT)));
    return words.toString();
  }
}
