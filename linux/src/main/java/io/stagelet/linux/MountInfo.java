package io.stagelet.linux;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * One mount of this process's mount namespace ({@code proc_pid_mountinfo(5)}).
 *
 * @param id the mount's number
 * @param parent the number of the mount that it is on
 * @param device the filesystem's device, {@code major:minor}
 * @param root which directory of the filesystem is mounted
 * @param target where
 * @param options of this mount ({@code ro}, {@code nosuid}, ...)
 * @param propagation its peer groups ({@code shared:2}, {@code master:1}); empty when private
 * @param type the filesystem's type
 * @param source what was mounted, as its mounter called it
 * @param filesystemOptions of the filesystem ({@code lowerdir+=/x})
 */
public record MountInfo(
    int id,
    int parent,
    String device,
    String root,
    Path target,
    Set<String> options,
    List<String> propagation,
    String type,
    String source,
    List<String> filesystemOptions) {
  private static final Path OWN = Path.of("/proc/self/mountinfo");

  public MountInfo {
    options = Set.copyOf(options);
    propagation = List.copyOf(propagation);
    filesystemOptions = List.copyOf(filesystemOptions);
  }

  /** All mounts of this process's mount namespace, in the kernel's order. */
  public static List<MountInfo> all() {
    try {
      return parse(new String(Files.readAllBytes(OWN), StandardCharsets.UTF_8));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read %s: %s".formatted(OWN, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * All mounts of another process's mount namespace, with paths as it has them.
   *
   * @throws IOException when it is gone
   */
  public static List<MountInfo> of(long pid) throws IOException {
    return parse(
        new String(
            Files.readAllBytes(Path.of("/proc/%d/mountinfo".formatted(pid))),
            StandardCharsets.UTF_8));
  }

  /** The mounts that {@code content} (the file's) lists. */
  static List<MountInfo> parse(String content) {
    return content.lines().filter(line -> !line.isBlank()).map(MountInfo::parseLine).toList();
  }

  private static MountInfo parseLine(String line) {
    List<String> fields = List.of(line.split(" ", -1));
    int separator = fields.indexOf("-");
    if (separator < 6 || fields.size() < separator + 4) {
      throw new StageletException(
          ErrorCode.INTERNAL, "not a line of %s as Linux writes it: %s".formatted(OWN, line));
    }
    return new MountInfo(
        Integer.parseInt(fields.get(0)),
        Integer.parseInt(fields.get(1)),
        fields.get(2),
        unescape(fields.get(3)),
        Path.of(unescape(fields.get(4))),
        Set.of(fields.get(5).split(",")),
        fields.subList(6, separator),
        unescape(fields.get(separator + 1)),
        unescape(fields.get(separator + 2)),
        splitOptions(fields.get(separator + 3)));
  }

  private static List<String> splitOptions(String options) {
    List<String> split = new ArrayList<>();
    for (String option : options.split(",")) {
      split.add(unescape(option));
    }
    return split;
  }

  /** Spaces and the like are written as a backslash and three octal digits. */
  private static String unescape(String field) {
    if (field.indexOf('\\') < 0) {
      return field;
    }
    byte[] bytes = field.getBytes(StandardCharsets.UTF_8);
    ByteArrayOutputStream plain = new ByteArrayOutputStream();
    for (int at = 0; at < bytes.length; at++) {
      if (bytes[at] == '\\'
          && at + 3 < bytes.length
          && octal(bytes[at + 1])
          && octal(bytes[at + 2])
          && octal(bytes[at + 3])) {
        plain.write((bytes[at + 1] - '0') * 64 + (bytes[at + 2] - '0') * 8 + (bytes[at + 3] - '0'));
        at += 3;
      } else {
        plain.write(bytes[at]);
      }
    }
    return plain.toString(StandardCharsets.UTF_8);
  }

  private static boolean octal(byte digit) {
    return digit >= '0' && digit <= '7';
  }
}
