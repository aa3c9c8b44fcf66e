package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;

/**
 * Classes of block I/O, by which pods share the machine's disks: the administrator describes them
 * in a file that CRI-O and containerd read as well ({@code blockio_config_file} there), and an
 * annotation names one.
 *
 * <p>The file is read when a container asks for a class, so that no change goes unseen.
 *
 * @param file the file, which need not be there
 * @param number the numbers ({@code MAJOR:MINOR}) of a disk; empty for what is none
 */
record BlockIoClasses(Path file, Function<Path, Optional<String>> number) {
  private static final String CONTAINER_ANNOTATION = "io.kubernetes.cri.blockio-class";
  private static final String POD_ANNOTATION = "blockio.resources.beta.kubernetes.io/pod";
  private static final String ONE_CONTAINER = "blockio.resources.beta.kubernetes.io/container.";

  private static final int LEAST_WEIGHT = 10;
  private static final int USUAL_WEIGHT = 100;
  private static final int MOST_WEIGHT = 1000;

  /** From the usual weight on, how far systemd's weights (to 10,000) are apart for one of these. */
  private static final int WIDER = 11;

  private static final int BLOCK_DEVICE = 0x6000;
  private static final int KIND_OF_FILE = 0xf000;

  /** A number as Kubernetes writes it: {@code 50M}, {@code 1.5Gi}, {@code 2e6}. */
  private static final Pattern QUANTITY =
      Pattern.compile("([0-9]{1,18}(?:\\.[0-9]{1,9})?)(?:([eE][0-9]{1,2})|([KMGTPE]i|[kMGTPE]))?");

  private static final List<String> DECIMAL = List.of("k", "M", "G", "T", "P", "E");
  private static final List<String> BINARY = List.of("Ki", "Mi", "Gi", "Ti", "Pi", "Ei");

  /** What a description may say, by the word that {@code io.max} has for it. */
  private enum Limit {
    RBPS("ThrottleReadBps"),
    WBPS("ThrottleWriteBps"),
    RIOPS("ThrottleReadIOPS"),
    WIOPS("ThrottleWriteIOPS");

    private final String key;

    Limit(String key) {
      this.key = key;
    }

    private String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final Set<String> KEYS =
      Set.of("Devices", "Weight", Limit.RBPS.key, Limit.WBPS.key, Limit.RIOPS.key, Limit.WIOPS.key);

  /** The classes of a file, on this machine's disks. */
  static BlockIoClasses in(Path file) {
    return new BlockIoClasses(file, BlockIoClasses::disk);
  }

  /**
   * The files of a control group ({@code io.weight}, {@code io.max}) and what is in them for a
   * container that asks for a class; none for one that does not.
   *
   * @param container its name
   * @throws StageletException {@code INVALID_ARGUMENT} when there is no such class
   */
  Map<String, String> files(
      String container, Map<String, String> ofContainer, Map<String, String> ofPod) {
    if (ofContainer.containsKey(CONTAINER_ANNOTATION)) {
      return named(container, CONTAINER_ANNOTATION, ofContainer);
    }
    return ofPod.containsKey(ONE_CONTAINER + container)
        ? named(container, ONE_CONTAINER + container, ofPod)
        : named(container, POD_ANNOTATION, ofPod);
  }

  private Map<String, String> named(
      String container, String annotation, Map<String, String> annotations) {
    String name = annotations.getOrDefault(annotation, "");
    if (name.isEmpty()) {
      return Map.of();
    }
    String asked =
        "container %s asks for the block I/O class '%s' (annotation %s)"
            .formatted(container, name, annotation);
    JsonNode classes = classes(asked);
    if (!classes.has(name)) {
      Set<String> known = new TreeSet<>();
      classes.fieldNames().forEachRemaining(known::add);
      throw wrong("%s, and %s has only %s".formatted(asked, file, known));
    }
    return described(name, classes.path(name));
  }

  private JsonNode classes(String asked) {
    try {
      JsonNode root = new YAMLMapper().readTree(Files.readString(file));
      return keys(root, Set.of("Classes"), file.toString())
          .getOrDefault("Classes", JsonNodeFactory.instance.objectNode());
    } catch (NoSuchFileException absent) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s, and there are none: %s is not there (resources.blockio-config)"
              .formatted(asked, file),
          absent);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s, and %s cannot be read: %s".formatted(asked, file, failure.getOriginalMessage()),
          failure);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s, and %s cannot be read: %s".formatted(asked, file, StageletException.reason(failure)),
          failure);
    }
  }

  /** A later description of the same disk takes the place of an earlier one. */
  private Map<String, String> described(String name, JsonNode descriptions) {
    String where = "the block I/O class '%s' in %s".formatted(name, file);
    Optional<Long> usual = Optional.empty();
    Map<String, Long> weights = new LinkedHashMap<>();
    Map<String, Map<Limit, Long>> limits = new LinkedHashMap<>();
    for (JsonNode node : descriptions) {
      Map<String, JsonNode> description = keys(node, KEYS, where);
      Optional<Long> weight =
          number(where, "Weight", description, LEAST_WEIGHT, MOST_WEIGHT)
              .map(BlockIoClasses::ioWeight);
      Map<Limit, Long> throttles = new EnumMap<>(Limit.class);
      for (Limit limit : Limit.values()) {
        number(where, limit.key, description, 0, Long.MAX_VALUE)
            .ifPresent(most -> throttles.put(limit, most));
      }
      JsonNode devices = description.get("Devices");
      if (devices == null) {
        throttles.keySet().stream()
            .findFirst()
            .ifPresent(limit -> {
              throw wrong(
                  "%s has %s without Devices: each disk is limited by itself"
                      .formatted(where, limit.key));
            });
        usual = weight.isPresent() ? weight : usual;
      } else {
        for (String disk : disks(devices)) {
          weight.ifPresent(value -> weights.put(disk, value));
          limits.computeIfAbsent(disk, _ -> new EnumMap<>(Limit.class)).putAll(throttles);
        }
      }
    }
    return files(usual, weights, limits);
  }

  private static Map<String, String> files(
      Optional<Long> usual, Map<String, Long> weights, Map<String, Map<Limit, Long>> limits) {
    List<String> weight = new ArrayList<>();
    usual.ifPresent(value -> weight.add("default " + value));
    weights.forEach((disk, value) -> weight.add(disk + " " + value));
    List<String> max = new ArrayList<>();
    limits.forEach((disk, most) -> {
      if (!most.isEmpty()) {
        max.add(disk + " " + words(most));
      }
    });
    Map<String, String> files = new LinkedHashMap<>();
    if (!weight.isEmpty()) {
      files.put("io.weight", String.join("\n", weight));
    }
    if (!max.isEmpty()) {
      files.put("io.max", String.join("\n", max));
    }
    return files;
  }

  /** Nothing at all would stop a process for ever: as with the peers, 0 is no limit. */
  private static String words(Map<Limit, Long> most) {
    return most.entrySet().stream()
        .map(limit ->
            limit.getKey().word() + "=" + (limit.getValue() == 0 ? "max" : limit.getValue()))
        .collect(Collectors.joining(" "));
  }

  /**
   * The weight for systemd with which the kernel's scheduler BFQ has just the one that was asked
   * for: systemd stretches what is above the usual one, which is the same for both.
   */
  private static long ioWeight(long weight) {
    return weight <= USUAL_WEIGHT ? weight : USUAL_WEIGHT + (weight - USUAL_WEIGHT) * WIDER;
  }

  /** The disks that patterns stand for; a pattern may well match none on this machine. */
  private Set<String> disks(JsonNode patterns) {
    Set<String> disks = new LinkedHashSet<>();
    for (JsonNode pattern : patterns) {
      for (Path match : matches(Path.of("/"), Path.of("/").relativize(absolute(pattern)))) {
        number.apply(match).ifPresent(disks::add);
      }
    }
    return disks;
  }

  private Path absolute(JsonNode pattern) {
    Path path = Path.of(pattern.asText()).normalize();
    if (!path.isAbsolute()) {
      throw wrong("'%s' in %s is not the path of a device".formatted(pattern.asText(), file));
    }
    return path;
  }

  /** Step by step from a directory on: a pattern does not match over a slash. */
  private List<Path> matches(Path directory, Path rest) {
    Path step = rest.getName(0);
    List<Path> here = new ArrayList<>();
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, step.toString())) {
      entries.forEach(here::add);
    } catch (IOException | DirectoryIteratorException notThere) {
      return List.of();
    } catch (PatternSyntaxException failure) {
      throw wrong(
          "'%s' in %s is no pattern of a device's path: %s"
              .formatted(step, file, failure.getDescription()));
    }
    here.sort(Comparator.naturalOrder());
    return rest.getNameCount() == 1
        ? here
        : here.stream()
            .filter(Files::isDirectory)
            .flatMap(entry -> matches(entry, rest.subpath(1, rest.getNameCount())).stream())
            .toList();
  }

  /** The kernel limits whole disks, not their partitions. */
  private static Optional<String> disk(Path path) {
    try {
      Map<String, Object> attributes = Files.readAttributes(path, "unix:mode,rdev");
      if (!(attributes.get("mode") instanceof Integer mode)
          || !(attributes.get("rdev") instanceof Long number)
          || (mode & KIND_OF_FILE) != BLOCK_DEVICE) {
        return Optional.empty();
      }
      String numbers =
          "%d:%d"
              .formatted(
                  (number >>> 8 & 0xfff) | (number >>> 32 & ~0xfffL),
                  (number & 0xff) | (number >>> 12 & ~0xffL));
      return Files.exists(Path.of("/sys/dev/block", numbers, "partition"))
          ? Optional.empty()
          : Optional.of(numbers);
    } catch (IOException gone) {
      return Optional.empty();
    }
  }

  /** As the peers read it: whatever the case of its letters. */
  private static Map<String, JsonNode> keys(JsonNode table, Set<String> known, String where) {
    if (!table.isObject()) {
      throw wrong("%s is not a table of %s".formatted(where, new TreeSet<>(known)));
    }
    Map<String, String> byLowerCase = new HashMap<>();
    known.forEach(key -> byLowerCase.put(key.toLowerCase(Locale.ROOT), key));
    Map<String, JsonNode> keys = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : table.properties()) {
      String key = byLowerCase.get(entry.getKey().toLowerCase(Locale.ROOT));
      if (key == null) {
        throw wrong(
            "%s has '%s', which is none of %s"
                .formatted(where, entry.getKey(), new TreeSet<>(known)));
      }
      keys.put(key, entry.getValue());
    }
    return keys;
  }

  private static Optional<Long> number(
      String where, String key, Map<String, JsonNode> description, long least, long most) {
    JsonNode node = description.get(key);
    if (node == null || node.asText().isEmpty()) {
      return Optional.empty();
    }
    Matcher quantity = QUANTITY.matcher(node.asText().strip());
    if (quantity.matches()) {
      BigDecimal value = new BigDecimal(quantity.group(1)).multiply(factor(quantity));
      BigDecimal whole = value.setScale(0, RoundingMode.UP);
      if (whole.compareTo(BigDecimal.valueOf(least)) >= 0
          && whole.compareTo(BigDecimal.valueOf(most)) <= 0) {
        return Optional.of(whole.longValueExact());
      }
    }
    throw wrong(
        "%s has %s '%s', which is no number from %d to %d, such as 50M"
            .formatted(where, key, node.asText(), least, most));
  }

  private static BigDecimal factor(Matcher quantity) {
    if (quantity.group(2) != null) {
      return BigDecimal.TEN.pow(Integer.parseInt(quantity.group(2).substring(1)));
    }
    String unit = quantity.group(3) == null ? "" : quantity.group(3);
    return BINARY.contains(unit)
        ? BigDecimal.valueOf(1024).pow(BINARY.indexOf(unit) + 1)
        : BigDecimal.valueOf(1000).pow(DECIMAL.indexOf(unit) + 1);
  }

  private static StageletException wrong(String message) {
    return new StageletException(ErrorCode.INVALID_ARGUMENT, message);
  }
}
