package io.stagelet.cri;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.cri.configuration.ConfigurationFiles;
import io.stagelet.cri.configuration.ConfigurationKeys;
import io.stagelet.cri.configuration.Effect;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The configuration that holds now. A reload changes what needs no restart; what needs one is told
 * and stays as it is. Safe from any thread.
 */
final class LiveConfiguration {
  private static final List<String> DEFAULT_HANDLER = List.of("default-handler");

  private final Path file;
  private final List<Consumer<Configuration>> listeners = new ArrayList<>();
  private Map<List<String>, JsonNode> held;
  private volatile Configuration now;

  private LiveConfiguration(Path file, Map<List<String>, JsonNode> held, Configuration now) {
    this.file = file;
    this.held = held;
    this.now = now;
  }

  /**
   * What came of a reload, as names of keys.
   *
   * @param applied what changed and holds now
   * @param waiting what changed and holds after a restart
   */
  record Change(List<String> applied, List<String> waiting) {
    Change {
      applied = List.copyOf(applied);
      waiting = List.copyOf(waiting);
    }
  }

  /**
   * What the files say.
   *
   * @throws io.stagelet.linux.StageletException {@code INVALID_ARGUMENT} that lists every mistake
   */
  static LiveConfiguration read(Path file) {
    ConfigurationFiles files = ConfigurationFiles.read(file);
    return new LiveConfiguration(file, files.byPath(), ConfigurationReader.read(files));
  }

  /** The file that it comes from. */
  Path file() {
    return file;
  }

  /** What holds now. */
  Configuration now() {
    return now;
  }

  /** From now on hears of each reload, after {@link #now} gives what is new. */
  synchronized void onReload(Consumer<Configuration> listener) {
    listeners.add(listener);
  }

  /**
   * Reads the files again.
   *
   * @throws io.stagelet.linux.StageletException {@code INVALID_ARGUMENT} that lists every mistake;
   *     nothing is changed then
   */
  synchronized Change reload() {
    ConfigurationFiles files = ConfigurationFiles.read(file);
    Configuration next = ConfigurationReader.read(files);
    Map<List<String>, JsonNode> values = files.byPath();
    Set<List<String>> changed = new LinkedHashSet<>(values.keySet());
    changed.addAll(held.keySet());
    changed.removeIf(path -> Objects.equals(values.get(path), held.get(path)));
    List<String> applied = new ArrayList<>();
    List<String> waiting = new ArrayList<>();
    for (List<String> path : changed) {
      boolean waits =
          ConfigurationKeys.effect(path) == Effect.RESTART
              || (path.equals(DEFAULT_HANDLER)
                  && !now.handlers().containsKey(next.defaultHandler()));
      (waits ? waiting : applied).add(String.join(".", path));
      if (waits) {
        // it goes on to differ from what holds, and is told at the next reload again
        values.remove(path);
        Optional.ofNullable(held.get(path)).ifPresent(value -> values.put(path, value));
      }
    }
    held = values;
    now = now.reloaded(next);
    listeners.forEach(listener -> listener.accept(now));
    return new Change(applied, waiting);
  }
}
