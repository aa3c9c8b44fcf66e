package io.stagelet.cri;

import io.stagelet.linux.CapabilityNames;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** The capabilities a container gets ({@code capabilities(7)}). */
final class Capabilities {
  /** What containers have had by default ever since Docker's first ones. */
  private static final List<String> DEFAULT =
      List.of(
          "CHOWN",
          "DAC_OVERRIDE",
          "FSETID",
          "FOWNER",
          "MKNOD",
          "NET_RAW",
          "SETGID",
          "SETUID",
          "SETFCAP",
          "SETPCAP",
          "NET_BIND_SERVICE",
          "SYS_CHROOT",
          "KILL",
          "AUDIT_WRITE");

  private final List<String> available;

  /**
   * The capabilities that can be had here.
   *
   * @param bound the bits of {@code CapBnd} in {@code /proc/PID/status}
   */
  Capabilities(long bound) {
    this.available =
        IntStream.range(0, CapabilityNames.ALL.size())
            .filter(number -> (bound >>> number & 1) == 1)
            .mapToObj(CapabilityNames.ALL::get)
            .toList();
  }

  /**
   * The set for a container, with {@code CAP_} before each name.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} for a name that is no capability
   */
  List<String> of(ContainerRequest.Security security) {
    if (security.privileged()) {
      return prefixed(new TreeSet<>(available));
    }
    List<String> add = security.addCapabilities().stream().map(this::normalized).toList();
    List<String> drop = security.dropCapabilities().stream().map(this::normalized).toList();
    TreeSet<String> set =
        new TreeSet<>(add.contains("ALL") ? available : drop.contains("ALL") ? List.of() : DEFAULT);
    add.stream().filter(name -> !name.equals("ALL")).forEach(set::add);
    drop.forEach(set::remove);
    // an ambient capability is one of the permitted set too (capabilities(7))
    security.addAmbientCapabilities().stream()
        .map(this::normalized)
        .filter(name -> !name.equals("ALL"))
        .forEach(set::add);
    set.retainAll(available);
    return prefixed(set);
  }

  /** The ambient set; each is in the permitted set too. */
  List<String> ambient(ContainerRequest.Security security) {
    List<String> named = security.addAmbientCapabilities().stream().map(this::normalized).toList();
    if (named.contains("ALL")) {
      return of(security);
    }
    TreeSet<String> set = new TreeSet<>(named);
    set.retainAll(available);
    return prefixed(set);
  }

  private String normalized(String name) {
    String upper = name.toUpperCase(Locale.ROOT);
    String bare = upper.startsWith("CAP_") ? upper.substring(4) : upper;
    if (!bare.equals("ALL") && !CapabilityNames.ALL.contains(bare)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is not a capability; capabilities(7) lists them".formatted(name));
    }
    return bare;
  }

  private static List<String> prefixed(Set<String> names) {
    return names.stream().map(name -> "CAP_" + name).toList();
  }
}
