package io.stagelet.cri;

import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What CDI devices change of a container. */
record CdiEdits(
    List<String> environment,
    List<ContainerPlan.Device> devices,
    List<ContainerRecord.MountRecord> mounts,
    List<ContainerPlan.Hook> hooks,
    List<Long> groups) {
  static final CdiEdits NONE = new CdiEdits(List.of(), List.of(), List.of(), List.of(), List.of());

  CdiEdits {
    environment = List.copyOf(environment);
    devices = List.copyOf(devices);
    mounts = List.copyOf(mounts);
    hooks = List.copyOf(hooks);
    groups = List.copyOf(groups);
  }

  /** These, and then others. */
  CdiEdits and(CdiEdits others) {
    return new CdiEdits(
        both(environment, others.environment),
        both(devices, others.devices),
        both(mounts, others.mounts),
        both(hooks, others.hooks),
        both(groups, others.groups));
  }

  private static <T> List<T> both(List<T> these, List<T> others) {
    List<T> all = new ArrayList<>(these);
    all.addAll(others);
    return all;
  }

  /** A process with the variables and groups. */
  ExecPlan on(ExecPlan process) {
    Map<String, String> byName = new LinkedHashMap<>();
    both(process.environment(), environment)
        .forEach(variable -> byName.put(variable.split("=", 2)[0], variable));
    Set<Long> all = new LinkedHashSet<>(process.user().additionalGroups());
    all.addAll(groups);
    return new ExecPlan(
        process.arguments(),
        List.copyOf(byName.values()),
        process.workingDirectory(),
        new ExecPlan.User(process.user().uid(), process.user().gid(), List.copyOf(all)),
        process.terminal(),
        process.noNewPrivileges());
  }
}
