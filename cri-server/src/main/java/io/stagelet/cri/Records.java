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
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.SandboxId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the server keeps on disk of sandboxes and containers: a directory each, named by its id,
 * with a JSON record in it and whatever else belongs to it. A directory without a record is what a
 * crash left.
 *
 * <pre>
 *   ROOT/sandboxes/ID/record.json, resolv.conf, hostname
 *   ROOT/containers/ID/record.json, upper/, work/
 *   COPIES/sandboxes/ID.json, COPIES/containers/ID.json
 * </pre>
 *
 * <p>The copies are on a tmpfs: they are there as long as what they tell of can run. A record that
 * the disk gives back damaged is made good from its copy. Where there is none either, it is set
 * aside as {@code record.damaged}: its directory, and all that bears its id, is left alone until
 * somebody decides.
 */
final class Records {
  private static final Logger LOG = LoggerFactory.getLogger(Records.class);
  private static final String RECORD = "record.json";
  private static final String COPY = ".json";
  private static final String SET_ASIDE = "record.damaged";

  /** The times that records have; the whole JavaTimeModule would be fifty classes in memory. */
  private static final SimpleModule TIMES =
      new SimpleModule()
          .addSerializer(Instant.class, InstantSerializer.INSTANCE)
          .addSerializer(Duration.class, DurationSerializer.INSTANCE)
          .addDeserializer(Duration.class, DurationDeserializer.INSTANCE)
          .addDeserializer(Instant.class, InstantDeserializer.INSTANT);

  private final Path sandboxes;
  private final Path containers;
  private final Path copies;
  private final JsonMapper json =
      JsonMapper.builder()
          .addModule(new Jdk8Module())
          .addModule(TIMES)
          .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /**
   * A record that cannot be read.
   *
   * @param directory where it is
   * @param reason why, in words
   * @param copy the copy of it, when that can be read
   */
  record Damaged<T>(Path directory, StageletException reason, Optional<T> copy) {
    /** The id of what it was the record of. */
    String id() {
      return directory.getFileName().toString();
    }
  }

  /** All records. */
  record All(Loaded<SandboxRecord> sandboxes, Loaded<ContainerRecord> containers) {}

  /** All records of one kind. */
  record Loaded<T>(List<T> records, List<Damaged<T>> damaged) {}

  /**
   * Records below {@code root}, and copies of them below {@code copies}; directories are made when
   * they are missing.
   */
  Records(Path root, Path copies) {
    this.copies = copies;
    this.sandboxes = root.resolve("sandboxes");
    this.containers = root.resolve("containers");
    try {
      Files.createDirectories(sandboxes);
      Files.createDirectories(containers);
      Files.createDirectories(copies.resolve("sandboxes"));
      Files.createDirectories(copies.resolve("containers"));
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

  /** Everything that is recorded. */
  All all() {
    return new All(loadSandboxes(), loadContainers());
  }

  /** The records of all sandboxes. */
  Loaded<SandboxRecord> loadSandboxes() {
    return all(sandboxes, SandboxRecord.class);
  }

  /** The records of all containers. */
  Loaded<ContainerRecord> loadContainers() {
    return all(containers, ContainerRecord.class);
  }

  /** The record of a sandbox, if there is a whole one. */
  Optional<SandboxRecord> sandbox(String id) {
    return loadSandboxes().records().stream()
        .filter(record -> record.plan().id().value().equals(id))
        .findFirst();
  }

  /** The record of a container, if there is a whole one. */
  Optional<ContainerRecord> container(String id) {
    return loadContainers().records().stream()
        .filter(record -> record.plan().id().value().equals(id))
        .findFirst();
  }

  /** The ids of the sandboxes and containers whose records are set aside. */
  Set<String> setAside() {
    return Stream.of(sandboxes, containers)
        .flatMap(parent -> directories(parent).stream())
        .filter(directory -> Files.exists(directory.resolve(SET_ASIDE)))
        .map(directory -> directory.getFileName().toString())
        .collect(Collectors.toSet());
  }

  /** Sets a record aside that cannot be made good. */
  void setAside(Damaged<?> damaged) {
    try {
      Files.move(
          damaged.directory().resolve(RECORD),
          damaged.directory().resolve(SET_ASIDE),
          StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not set the damaged record in %s aside: %s"
              .formatted(damaged.directory(), StageletException.reason(failure)),
          failure);
    }
  }

  /** Removes what a crash left of copies: those whose record is gone, and those half written. */
  void forgetLostCopies() {
    for (Path parent : List.of(sandboxes, containers)) {
      Path ofParent = copies.resolve(parent.getFileName());
      try (Stream<Path> all = Files.list(ofParent)) {
        for (Path copy : all.toList()) {
          String name = copy.getFileName().toString();
          Path directory =
              parent.resolve(
                  name.endsWith(COPY) ? name.substring(0, name.length() - COPY.length()) : name);
          if (!Files.exists(directory.resolve(RECORD))) {
            Files.deleteIfExists(copy);
          }
        }
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not remove the copies in %s whose records are gone: %s"
                .formatted(ofParent, StageletException.reason(failure)),
            failure);
      }
    }
  }

  /** Where the directories of sandboxes and containers are that have, or had, this id. */
  List<Path> directoriesOf(String id) {
    return Stream.of(sandboxes, containers)
        .map(parent -> parent.resolve(id))
        .filter(Files::isDirectory)
        .toList();
  }

  /**
   * The directories of containers that have no record: what is left of a creation that a crash cut
   * short.
   */
  List<Path> containersWithoutRecord() {
    return directories(containers).stream()
        .filter(directory -> !Files.exists(directory.resolve(RECORD)))
        .filter(directory -> !Files.exists(directory.resolve(SET_ASIDE)))
        .toList();
  }

  /** The directories of sandboxes that have no record. */
  List<Path> sandboxesWithoutRecord() {
    return directories(sandboxes).stream()
        .filter(directory -> !Files.exists(directory.resolve(RECORD)))
        .filter(directory -> !Files.exists(directory.resolve(SET_ASIDE)))
        .toList();
  }

  private void store(Path directory, Object record) {
    try {
      Files.createDirectories(directory);
      byte[] text = json.writeValueAsBytes(record);
      DurableFiles.write(directory.resolve(RECORD), text);
      copy(directory, text);
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("a record cannot be written as JSON", failure);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make %s: %s".formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  /** Without its copy a record is as good, until the disk fails. */
  private void copy(Path directory, byte[] text) {
    try {
      DurableFiles.write(copyOf(directory), text);
    } catch (StageletException failure) {
      StoryEvent.RECORD_WITHOUT_COPY
          .on(LOG)
          .log("the record in {} has no copy: {}", directory, StageletException.reason(failure));
    }
  }

  private Path copyOf(Path directory) {
    return copies
        .resolve(directory.startsWith(sandboxes) ? "sandboxes" : "containers")
        .resolve(directory.getFileName() + COPY);
  }

  /**
   * The copy goes first, since nobody looks for one without a record, then the record, so that a
   * crash in the middle leaves a directory without one.
   */
  private void delete(Path directory) {
    try {
      Files.deleteIfExists(copyOf(directory));
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

  private <T> Loaded<T> all(Path parent, Class<T> type) {
    List<T> records = new ArrayList<>();
    List<Damaged<T>> damaged = new ArrayList<>();
    for (Path directory : directories(parent)) {
      Path file = directory.resolve(RECORD);
      try {
        records.add(whole(Files.readAllBytes(file), type, directory));
      } catch (NoSuchFileException unfinished) {
        // a creation that a crash cut short; the recovery removes its directory
        continue;
      } catch (IOException failure) {
        damaged.add(
            new Damaged<>(
                directory,
                new StageletException(
                    ErrorCode.DATA_LOSS,
                    "the record %s cannot be read: %s"
                        .formatted(file, StageletException.reason(failure)),
                    failure),
                copied(directory, type)));
      }
    }
    return new Loaded<>(List.copyOf(records), List.copyOf(damaged));
  }

  /** A record that may be JSON and yet another's, or half of one. */
  private <T> T whole(byte[] text, Class<T> type, Path directory) throws IOException {
    T record = json.readValue(text, type);
    String id =
        switch (record) {
          case SandboxRecord sandbox when sandbox.plan() != null -> sandbox.plan().id().value();
          case ContainerRecord container when container.plan() != null ->
              container.plan().id().value();
          case null, default -> "";
        };
    if (!id.equals(directory.getFileName().toString())) {
      throw new IOException("it is the record of '%s'".formatted(id));
    }
    return record;
  }

  private <T> Optional<T> copied(Path directory, Class<T> type) {
    try {
      return Optional.of(whole(Files.readAllBytes(copyOf(directory)), type, directory));
    } catch (IOException failure) {
      LOG.debug(
          "the record in {} has no copy that can be read: {}",
          directory,
          StageletException.reason(failure));
      return Optional.empty();
    }
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
