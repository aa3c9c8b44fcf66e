package io.stagelet.stage1.nspawn;

import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The steps by which a process that is in a container's namespaces, as root, becomes the
 * container's:
 *
 * <pre>
 *   filter-loader   the seccomp filter, where new privileges may be had: it takes CAP_SYS_ADMIN then
 *   setpriv         user, groups, capabilities, no_new_privs
 *   profile-setter  the AppArmor profile, which holds from the next step on
 *   filter-loader   the seccomp filter, where they may not: as late as can be
 *   env             the environment, and nothing else
 *   the program
 * </pre>
 *
 * <p>They are the host's programs, shown to the container ({@link EntryTools}).
 */
final class Entry {
  private Entry() {}

  static List<String> line(ContainerPlan container, ExecPlan process) {
    boolean filtered = container.security().seccomp().isPresent();
    List<String> line = new ArrayList<>();
    if (filtered && !process.noNewPrivileges()) {
      line.addAll(EntryTools.FILTER);
    }
    line.addAll(EntryTools.command("setpriv"));
    line.addAll(privileges(container.security(), process));
    line.add("--");
    container
        .security()
        .apparmorProfile()
        .ifPresent(profile -> line.addAll(EntryTools.underProfile(profile)));
    if (filtered && process.noNewPrivileges()) {
      line.addAll(EntryTools.FILTER);
    }
    line.addAll(EntryTools.command("env"));
    line.add("--ignore-environment");
    ContainerService.environment(container)
        .forEach((variable, value) -> line.add(variable + "=" + value));
    line.addAll(process.arguments());
    return line;
  }

  private static List<String> privileges(ContainerPlan.Security security, ExecPlan process) {
    List<String> privileges = new ArrayList<>();
    privileges.add("--reuid=" + process.user().uid());
    privileges.add("--regid=" + process.user().gid());
    privileges.add(
        process.user().additionalGroups().isEmpty()
            ? "--clear-groups"
            : "--groups="
                + process.user().additionalGroups().stream()
                    .map(String::valueOf)
                    .collect(Collectors.joining(",")));
    privileges.add("--bounding-set=" + CapabilitySet.words(security.capabilities()));
    String ambient = CapabilitySet.words(security.ambientCapabilities());
    privileges.add("--inh-caps=" + ambient);
    privileges.add("--ambient-caps=" + ambient);
    if (process.noNewPrivileges()) {
      privileges.add("--no-new-privs");
    }
    return privileges;
  }
}
