package io.stagelet.cri;

import io.stagelet.journal.JournalProbe;
import io.stagelet.journal.Relay;
import io.stagelet.linux.FilesystemSpace;
import io.stagelet.linux.StageletException;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Whether each part that pods need works, and what to do when it does not. */
final class Health {
  /** Below this part of the disk free, kubelet's garbage collection has lost. */
  private static final double LEAST_FREE = 0.05;

  private static final int PERCENT = 100;

  private final Units units;
  private final Handlers handlers;
  private final Cni cni;
  private final RegistryOutcomes registries;
  private final Relay relay;
  private final JournalProbe journald;
  private final Path root;

  Health(
      Units units,
      Handlers handlers,
      Cni cni,
      RegistryOutcomes registries,
      Relay relay,
      JournalProbe journald,
      Path root) {
    this.units = units;
    this.handlers = handlers;
    this.cni = cni;
    this.registries = registries;
    this.relay = relay;
    this.journald = journald;
    this.root = root;
  }

  /**
   * One part.
   *
   * @param problem what is wrong; empty when nothing is
   * @param remedy what to do then
   * @param needed whether no pod can be started without it
   */
  record Part(String name, Optional<String> problem, String remedy, boolean needed) {
    boolean healthy() {
      return problem.isEmpty();
    }
  }

  /** Looks at each now. */
  List<Part> parts() {
    return List.of(
        new Part(
            "systemd",
            systemd(),
            "Look at systemctl status dbus.socket dbus.service, and at the load of PID 1"
                + " (systemd-analyze dump | head).",
            true),
        new Part(
            "runtime",
            runtime(),
            "Install the runtime (apt-get install crun), or name another in handlers.NAME.runtime;"
                + " then systemctl restart stagelet.",
            true),
        new Part(
            "network",
            cni.unreadiness(),
            "Install the network's configuration in cni.conf-dir and its plugins in cni.bin-dirs;"
                + " it is taken up at once. Whoever runs your network in the cluster (a DaemonSet,"
                + " mostly) does that.",
            true),
        new Part(
            "disk",
            disk(),
            "Make room: stage0 prune removes images that no container uses; journalctl"
                + " --vacuum-size=1G old log entries.",
            true),
        new Part(
            "registry",
            registry(),
            "See whether the registry answers (curl -I https://HOST/v2/), and what"
                + " /etc/containers/registries.conf says of mirrors; the next pull that succeeds"
                + " clears this, and so does an hour without another.",
            false),
        new Part(
            "journal",
            journal(),
            "Look at systemctl status systemd-journald and at the disk of the journal and of"
                + " kubelet's logs (df /var/log).",
            false));
  }

  private Optional<String> systemd() {
    try {
      var _ = units.version();
      return Optional.empty();
    } catch (StageletException failure) {
      return Optional.of(StageletException.reason(failure));
    }
  }

  private Optional<String> runtime() {
    Map<String, String> broken = new TreeMap<>(handlers.refused());
    handlers
        .usable()
        .forEach((name, stage1) -> stage1.unusable().ifPresent(reason -> broken.put(name, reason)));
    // without the default handler nothing works; without another, only what asks for it
    return broken.containsKey(handlers.defaultHandler())
        ? Optional.of(
            broken.entrySet().stream()
                .map(entry -> "handler '%s': %s".formatted(entry.getKey(), entry.getValue()))
                .collect(Collectors.joining("; ")))
        : Optional.empty();
  }

  private Optional<String> disk() {
    try {
      FilesystemSpace space = FilesystemSpace.of(root);
      if (Files.getFileStore(root).isReadOnly()) {
        return Optional.of("the filesystem of %s is mounted read-only".formatted(root));
      }
      if (space.freeBytes() < LEAST_FREE * space.bytes()) {
        return Optional.of(
            "the filesystem of %s is full to %d%%: %d MB are free"
                .formatted(
                    root,
                    PERCENT - PERCENT * space.freeBytes() / Math.max(1, space.bytes()),
                    space.freeBytes() >> 20));
      }
      if (space.inodes() > 0 && space.freeInodes() < LEAST_FREE * space.inodes()) {
        return Optional.of(
            "the filesystem of %s has %d inodes left of %d"
                .formatted(root, space.freeInodes(), space.inodes()));
      }
      return Optional.empty();
    } catch (IOException | StageletException failure) {
      return Optional.of(
          "%s cannot be looked at: %s".formatted(root, StageletException.reason(failure)));
    }
  }

  private Optional<String> registry() {
    Map<String, RegistryOutcomes.Failure> failures = registries.failures();
    return failures.isEmpty()
        ? Optional.empty()
        : Optional.of(
            failures.entrySet().stream()
                .map(entry ->
                    "the last pull from %s failed at %s: %s"
                        .formatted(
                            entry.getKey(), entry.getValue().at(), entry.getValue().reason()))
                .collect(Collectors.joining("; ")));
  }

  private Optional<String> journal() {
    int waiting = relay.counters().stalledStreams();
    return waiting == 0
        ? journald.problem()
        : Optional.of(
            "%d streams of containers wait: %s"
                .formatted(
                    waiting, journald.problem().orElse("the journal or the disk takes no output")));
  }
}
