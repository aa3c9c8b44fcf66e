package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import com.fasterxml.jackson.datatype.jsr310.deser.DurationDeserializer;
import com.fasterxml.jackson.datatype.jsr310.deser.InstantDeserializer;
import com.fasterxml.jackson.datatype.jsr310.ser.DurationSerializer;
import com.fasterxml.jackson.datatype.jsr310.ser.InstantSerializer;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.SandboxId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What the server keeps on disk of sandboxes and containers: a directory each, named by its id,
 * with a JSON record in it and whatever else belongs to it. A directory without a record is what a
 * crash left.
 *
 * <pre>
 *   ROOT/sandboxes/ID/record.json, resolv.conf, hostname
 *   ROOT/containers/ID/record.json, upper/, work/
 * </pre>
 */
final class Records {
  private static final String RECORD = "record.json";

  /** The times that records have; the whole JavaTimeModule would be fifty classes in memory. */
  private static final SimpleModule TIMES =
      new SimpleModule()
          .addSerializer(Instant.class, InstantSerializer.INSTANCE)
          .addSerializer(Duration.class, DurationSerializer.INSTANCE)
          .addDeserializer(Duration.class, DurationDeserializer.INSTANCE)
          .addDeserializer(Instant.class, InstantDeserializer.INSTANT);

  private final Path sandboxes;
  private final Path containers;
  private final JsonMapper json =
      JsonMapper.builder()
          .addModule(new Jdk8Module())
          .addModule(TIMES)
          .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /** Records below {@code root}, whose directories are made when they are missing. */
  Records(Path root) {
    this.sandboxes = root.resolve("sandboxes");
    this.containers = root.resolve("containers");
    try {
      Files.createDirectories(sandboxes);
      Files.createDirectories(containers);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make the state directory %s: %s"
              .formatted(root, StageletException.reason(failure)),
          failure);
    }
  }

  /** Where the containers' directories are. */
  Path containers() {
    return containers;
  }

  Path directory(SandboxId id) {
    return sandboxes.resolve(id.value());
  }

  Path directory(ContainerId id) {
    return containers.resolve(id.value());
  }

  void store(SandboxRecord sandbox) {
    store(directory(sandbox.plan().id()), sandbox);
  }

  void store(ContainerRecord container) {
    store(directory(container.plan().id()), container);
  }

  void delete(SandboxId id) {
    delete(directory(id));
  }

  void delete(ContainerId id) {
    delete(directory(id));
  }

  /**
   * The records of all sandboxes; one that cannot be read is told to {@code damaged} and left where
   * it is.
   */
  List<SandboxRecord> sandboxes(Consumer<StageletException> damaged) {
    return all(sandboxes, SandboxRecord.class, damaged);
  }

  /**
   * The records of all containers; one that cannot be read is told to {@code damaged} and left
   * where it is.
   */
  List<ContainerRecord> containers(Consumer<StageletException> damaged) {
    return all(containers, ContainerRecord.class, damaged);
  }

  /**
   * The directories of containers that have no record: what is left of a creation that a crash cut
   * short.
   */
  List<Path> containersWithoutRecord() {
    return directories(containers).stream()
        .filter(directory -> !Files.exists(directory.resolve(RECORD)))
        .toList();
  }

  /** The directories of sandboxes that have no record. */
  List<Path> sandboxesWithoutRecord() {
    return directories(sandboxes).stream()
        .filter(directory -> !Files.exists(directory.resolve(RECORD)))
        .toList();
  }

  private void store(Path directory, Object record) {
    try {
      Files.createDirectories(directory);
      DurableFiles.write(directory.resolve(RECORD), json.writeValueAsBytes(record));
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("a record cannot be written as JSON", failure);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  /** The record goes first, so that a crash in the middle leaves a directory without one. */
  private static void delete(Path directory) {
    try {
      Files.deleteIfExists(directory.resolve(RECORD));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not delete the record in %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
    DurableFiles.deleteTree(directory);
  }

  private <T> List<T> all(Path parent, Class<T> type, Consumer<StageletException> damaged) {
    List<T> records = new ArrayList<>();
    for (Path directory : directories(parent)) {
      Path file = directory.resolve(RECORD);
      try {
        records.add(json.readValue(Files.readAllBytes(file), type));
      } catch (NoSuchFileException unfinished) {
        // a creation that a crash cut short; the recovery removes its directory
        continue;
      } catch (IOException failure) {
        damaged.accept(
            new StageletException(
                ErrorCode.DATA_LOSS,
                "the record %s cannot be read and is ignored: %s; move its directory away once its unit is gone"
                    .formatted(file, StageletException.reason(failure)),
                failure));
      }
    }
    return records;
  }

  private static List<Path> directories(Path parent) {
    try (Stream<Path> entries = Files.list(parent)) {
      return entries.filter(Files::isDirectory).sorted().toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not list %s: %s".formatted(parent, StageletException.reason(failure)),
          failure);
    }
  }

  /** A record as it is on disk. */
  JsonNode tree(Record record) {
    return json.valueToTree(record);
  }
}
