package io.stagelet.cri.configuration;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the configuration's files say together: {@code stagelet.toml}, then {@code
 * stagelet.toml.d/*.toml} in the order of their names. A later file's value takes the place of an
 * earlier one's, key by key; an array is a value. Neither needs to be there.
 *
 * <p>Each value is checked against {@link ConfigurationKeys}; one that is wrong is told among the
 * {@link #mistakes} and is not among the values.
 */
public final class ConfigurationFiles {
  private final ObjectNode values = JsonNodeFactory.instance.objectNode();
  private final Map<List<String>, Path> files = new LinkedHashMap<>();
  private final List<Mistake> mistakes = new ArrayList<>();
  private final Map<Path, String> texts = new HashMap<>();
  private final Map<Path, Positions> positions = new HashMap<>();
  private final Path main;

  private ConfigurationFiles(Path main) {
    this.main = main;
  }

  /** Reads them as they are now. Nothing is thrown for what is wrong in them. */
  public static ConfigurationFiles read(Path main) {
    ConfigurationFiles read = new ConfigurationFiles(main);
    read.take(main);
    read.dropIns().forEach(read::take);
    return read;
  }

  private List<Path> dropIns() {
    Path directory = main.resolveSibling(main.getFileName() + ".d");
    try (Stream<Path> entries = Files.list(directory)) {
      return entries
          .filter(file -> file.getFileName().toString().endsWith(".toml"))
          .filter(Files::isRegularFile)
          .sorted()
          .toList();
    } catch (NoSuchFileException | NotDirectoryException absent) {
      return List.of();
    } catch (IOException failure) {
      mistakes.add(
          new Mistake(directory, 0, "", "it cannot be read: " + StageletException.reason(failure)));
      return List.of();
    }
  }

  private void take(Path file) {
    try {
      String text = Files.readString(file);
      texts.put(file, text);
      JsonNode read = new TomlMapper().readTree(text);
      if (read instanceof ObjectNode table) {
        merge(table, values, List.of(), file);
      }
    } catch (NoSuchFileException absent) {
      // all has a default
    } catch (JsonProcessingException failure) {
      int line = failure.getLocation() == null ? 0 : failure.getLocation().getLineNr();
      mistakes.add(new Mistake(file, line, "", failure.getOriginalMessage()));
    } catch (IOException failure) {
      mistakes.add(
          new Mistake(file, 0, "", "it cannot be read: " + StageletException.reason(failure)));
    }
  }

  private void merge(ObjectNode from, ObjectNode to, List<String> table, Path file) {
    from.properties()
        .forEach(entry -> {
          List<String> path = new ArrayList<>(table);
          path.add(entry.getKey());
          JsonNode value = entry.getValue();
          Optional<ConfigurationKey> key = ConfigurationKeys.of(path);
          if (key.isPresent()) {
            Optional<String> wrong = key.get().type().mistake(value);
            if (wrong.isPresent()) {
              mistakes.add(mistake(file, path, wrong.get()));
            } else {
              to.set(entry.getKey(), value);
              files.put(List.copyOf(path), file);
            }
          } else if (!ConfigurationKeys.isTable(path)) {
            mistakes.add(
                mistake(
                    file,
                    path,
                    "there is no such key; there are " + ConfigurationKeys.namesIn(table)));
          } else if (value instanceof ObjectNode inner) {
            files.putIfAbsent(List.copyOf(path), file);
            merge(inner, to.withObjectProperty(entry.getKey()), path, file);
          } else {
            mistakes.add(mistake(file, path, "must be a table"));
          }
        });
  }

  private Mistake mistake(Path file, List<String> path, String words) {
    return new Mistake(file, line(file, path), String.join(".", path), words);
  }

  /** What they say, without what is wrong. */
  public ObjectNode values() {
    return values;
  }

  /** All that is wrong in them. */
  public List<Mistake> mistakes() {
    return List.copyOf(mistakes);
  }

  /** The mistake of a value that is right in itself and wrong beside the others. */
  public Mistake mistake(List<String> path, String words) {
    return mistake(files.getOrDefault(path, main), path, words);
  }

  /** Every value by its path. */
  public Map<List<String>, JsonNode> byPath() {
    Map<List<String>, JsonNode> all = new LinkedHashMap<>();
    for (List<String> path : files.keySet()) {
      if (ConfigurationKeys.of(path).isPresent()) {
        JsonNode value = values;
        for (String part : path) {
          value = value.path(part);
        }
        all.put(path, value);
      }
    }
    return all;
  }

  /** Where a value was written down; empty when none was. */
  public Optional<Origin> origin(List<String> path) {
    return Optional.ofNullable(files.get(path)).map(file -> new Origin(file, line(file, path)));
  }

  private int line(Path file, List<String> path) {
    String text = texts.get(file);
    return text == null ? 0 : positions.computeIfAbsent(file, _ -> Positions.in(text)).line(path);
  }
}
