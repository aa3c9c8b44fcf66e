package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.SandboxId;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** All sandboxes and containers that there are, by id and by unit. Safe for any thread. */
final class Pods {
  private static final int SHORTEST_PREFIX = 4;

  private final Map<SandboxId, Sandbox> sandboxes = new ConcurrentHashMap<>();
  private final Map<ContainerId, Container> containers = new ConcurrentHashMap<>();
  private final Map<String, Sandbox> sandboxesByUnit = new ConcurrentHashMap<>();
  private final Map<String, Container> containersByUnit = new ConcurrentHashMap<>();

  void add(Sandbox sandbox) {
    sandboxes.put(sandbox.id(), sandbox);
    sandboxesByUnit.put(sandbox.unit(), sandbox);
  }

  void add(Container container) {
    containers.put(container.id(), container);
    containersByUnit.put(container.unit(), container);
  }

  void remove(Sandbox sandbox) {
    sandboxes.remove(sandbox.id());
    sandboxesByUnit.remove(sandbox.unit());
  }

  void remove(Container container) {
    containers.remove(container.id());
    containersByUnit.remove(container.unit());
  }

  /** All sandboxes, the newest first. */
  List<Sandbox> sandboxes() {
    return sandboxes.values().stream()
        .sorted(Comparator.comparing((Sandbox sandbox) -> sandbox.record().createdAt()).reversed())
        .toList();
  }

  /** All containers, the newest first. */
  List<Container> containers() {
    return containers.values().stream()
        .sorted(
            Comparator.comparing((Container container) -> container.record().createdAt())
                .reversed())
        .toList();
  }

  /** The containers of a sandbox. */
  List<Container> containersOf(Sandbox sandbox) {
    return containers.values().stream()
        .filter(container -> container.sandbox() == sandbox)
        .toList();
  }

  /**
   * The sandbox whose id is, or begins with, {@code id}; empty when there is none, or more than one
   * begin so.
   */
  Optional<Sandbox> findSandbox(String id) {
    return find(id, sandboxes.values().stream(), sandbox -> sandbox.id().value());
  }

  /**
   * The container whose id is, or begins with, {@code id}; empty when there is none, or more than
   * one begin so.
   */
  Optional<Container> findContainer(String id) {
    return find(id, containers.values().stream(), container -> container.id().value());
  }

  /** As {@link #findSandbox}, or {@code NOT_FOUND}. */
  Sandbox sandbox(String id) {
    return findSandbox(id)
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.NOT_FOUND, "there is no sandbox with the id '%s'".formatted(id)));
  }

  /** As {@link #findContainer}, or {@code NOT_FOUND}. */
  Container container(String id) {
    return findContainer(id)
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.NOT_FOUND, "there is no container with the id '%s'".formatted(id)));
  }

  Optional<Sandbox> sandboxByUnit(String unit) {
    return Optional.ofNullable(sandboxesByUnit.get(unit));
  }

  Optional<Container> containerByUnit(String unit) {
    return Optional.ofNullable(containersByUnit.get(unit));
  }

  /** The units of all. */
  Set<String> units() {
    return Stream.concat(sandboxesByUnit.keySet().stream(), containersByUnit.keySet().stream())
        .collect(Collectors.toSet());
  }

  private static <T> Optional<T> find(String id, Stream<T> all, Function<T, String> idOf) {
    List<T> matching =
        all.filter(one ->
                idOf.apply(one).equals(id)
                    || (id.length() >= SHORTEST_PREFIX && idOf.apply(one).startsWith(id)))
            .limit(2)
            .toList();
    return matching.size() == 1 ? Optional.of(matching.getFirst()) : Optional.empty();
  }
}
