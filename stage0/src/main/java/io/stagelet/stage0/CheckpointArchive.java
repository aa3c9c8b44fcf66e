package io.stagelet.stage0;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The archive of a container's checkpoint, as {@code checkpointctl} and the other runtimes know it,
 * and the directory that it is made from and unpacked to.
 *
 * <pre>
 *   config.dump        of which image, with which runtime
 *   spec.dump          the container's config.json
 *   dump.log           what criu said
 *   stats-dump         and measured
 *   deleted.files      what the container had deleted of its image, as a JSON array
 *   rootfs-diff.tar    what the container had written
 *   checkpoint/        the state of the processes, as criu writes it
 * </pre>
 */
public final class CheckpointArchive {
  /** The folder with the state of the processes. */
  public static final String PROCESSES = "checkpoint";

  private static final String CONFIG = "config.dump";
  private static final String SPEC = "spec.dump";
  private static final String DELETED = "deleted.files";
  private static final String WRITTEN = "rootfs-diff.tar";

  /** In the order in which they are written: who only wants to know what it is reads little. */
  private static final List<String> FILES =
      List.of(CONFIG, SPEC, "dump.log", "stats-dump", DELETED, WRITTEN);

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rw-------");
  private static final FileAttributes ATTRIBUTES = new FileAttributes(0, 0, 0600, 0, 0, Map.of());
  private static final FileAttributes FOLDER = new FileAttributes(0, 0, 0700, 0, 0, Map.of());

  /** Descriptions are small; this is no image of processes. */
  private static final int LARGEST_DESCRIPTION = 16 << 20;

  private static final ObjectMapper JSON = new ObjectMapper();

  private CheckpointArchive() {}

  /**
   * What an archive tells of itself.
   *
   * @param image the id of the image that the container was made from, or its name where the
   *     archive has no id
   * @param imageName its name
   * @param arguments what the container's first process was run with
   * @param mounts where something of the host was mounted, in the container
   */
  public record Description(
      String image, String imageName, List<String> arguments, List<String> mounts) {
    public Description {
      arguments = List.copyOf(arguments);
      mounts = List.copyOf(mounts);
    }
  }

  /** Keeps in {@code directory} what a container has written. Nothing may change meanwhile. */
  public static void keepWrittenFiles(Path upper, Path directory) throws IOException {
    List<String> deleted;
    try (OutputStream output =
        new BufferedOutputStream(Files.newOutputStream(directory.resolve(WRITTEN)), 1 << 17)) {
      deleted = WrittenFiles.write(upper, output);
    }
    Files.write(directory.resolve(DELETED), JSON.writeValueAsBytes(deleted));
  }

  /** Keeps in {@code directory} what the archive tells of itself. */
  public static void keepDescription(byte[] config, byte[] spec, Path directory)
      throws IOException {
    Files.write(directory.resolve(CONFIG), config);
    Files.write(directory.resolve(SPEC), spec);
  }

  /**
   * Makes the archive from a directory: whole, flushed to the disk, readable by its owner only; or
   * not at all.
   *
   * @param archive where nothing is
   */
  public static void write(Path directory, Path archive) throws IOException {
    Path parent = archive.toAbsolutePath().getParent();
    if (parent == null) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "'%s' is no place for an archive".formatted(archive));
    }
    Path aside = archive.resolveSibling(archive.getFileName() + DurableFiles.ASIDE);
    try {
      Files.deleteIfExists(aside);
      Files.createFile(aside, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      try (FileChannel channel = FileChannel.open(aside, StandardOpenOption.WRITE)) {
        OutputStream output = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 17);
        TarWriter tar = new TarWriter(output);
        for (String name : FILES) {
          file(tar, output, directory.resolve(name), name);
        }
        tar.entry(TreePath.of(PROCESSES), TarWriter.Type.DIRECTORY, FOLDER, 0, "", 0, 0);
        try (Stream<Path> images = Files.list(directory.resolve(PROCESSES))) {
          for (Path image : images.sorted(Comparator.naturalOrder()).toList()) {
            file(tar, output, image, PROCESSES + "/" + image.getFileName());
          }
        }
        tar.end();
        output.flush();
        channel.force(true);
      }
      Files.move(aside, archive, StandardCopyOption.ATOMIC_MOVE);
      DurableFiles.syncDirectory(parent);
    } finally {
      Files.deleteIfExists(aside);
    }
  }

  private static void file(TarWriter tar, OutputStream output, Path file, String name)
      throws IOException {
    if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      long size = Files.size(file);
      tar.entry(TreePath.of(name), TarWriter.Type.FILE, ATTRIBUTES, size, "", 0, 0);
      Files.copy(file, output);
      tar.pad(size);
    }
  }

  /**
   * Unpacks an archive, packed with gzip, with zstd or not at all. What it has beyond what is known
   * here is left out.
   *
   * <p>criu believes what such an archive says of processes, whom it then gives any right: so one
   * is refused that anybody but root could have written.
   *
   * @param archive an absolute path
   * @param directory an empty one
   * @throws StageletException {@code NOT_FOUND}, {@code PERMISSION_DENIED}, or {@code DATA_LOSS}
   *     when it is damaged, with the archive's name
   */
  public static Description unpack(Path archive, Path directory) {
    check(archive);
    return unpackAnybodys(archive, directory);
  }

  /** The same of an archive that whoever wrote. */
  static Description unpackAnybodys(Path archive, Path directory) {
    try {
      Files.createDirectories(directory.resolve(PROCESSES));
      try (InputStream packed =
              new BufferedInputStream(
                  Files.newInputStream(archive, LinkOption.NOFOLLOW_LINKS), 1 << 17);
          InputStream unpacked = Compression.unpacked(packed)) {
        TarReader tar = new TarReader(unpacked);
        for (TarEntry entry = tar.next(); entry != null; entry = tar.next()) {
          unpack(tar, entry, directory);
        }
      }
      if (!Files.exists(directory.resolve(PROCESSES).resolve("inventory.img"))) {
        throw new StageletException(
            ErrorCode.DATA_LOSS, "it has no state of processes (checkpoint/inventory.img)");
      }
      return description(directory);
    } catch (StageletException failure) {
      throw new StageletException(
          failure.code(),
          "the checkpoint archive %s cannot be restored: %s"
              .formatted(archive, StageletException.reason(failure)),
          failure);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "the checkpoint archive %s cannot be read: %s"
              .formatted(archive, StageletException.reason(failure)),
          failure);
    }
  }

  private static void check(Path archive) {
    try {
      PosixFileAttributes attributes =
          Files.readAttributes(archive, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      if (!attributes.isRegularFile()) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "%s is not a regular file, and so no checkpoint archive".formatted(archive));
      }
      if (!(Files.getAttribute(archive, "unix:uid", LinkOption.NOFOLLOW_LINKS)
              instanceof Integer uid)
          || uid != 0
          || attributes.permissions().contains(PosixFilePermission.GROUP_WRITE)
          || attributes.permissions().contains(PosixFilePermission.OTHERS_WRITE)) {
        throw new StageletException(
            ErrorCode.PERMISSION_DENIED,
            "the checkpoint archive %s could have been written by others than root, and whoever writes one can become root by it: it is not restored (see chown, chmod)"
                .formatted(archive));
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "there is no checkpoint archive %s: %s"
              .formatted(archive, StageletException.reason(failure)),
          failure);
    }
  }

  private static void unpack(TarReader tar, TarEntry entry, Path directory) throws IOException {
    String name = entry.path().raw();
    boolean ofProcesses =
        name.startsWith(PROCESSES + "/") && name.indexOf('/', PROCESSES.length() + 1) < 0;
    if (!FILES.contains(name) && !ofProcesses) {
      return;
    }
    if (!(entry.kind() instanceof TarEntry.Kind.File(long _, List<TarEntry.Extent> extents))) {
      throw new StageletException(ErrorCode.DATA_LOSS, "%s is not a file in it".formatted(name));
    }
    byte[] buffer = new byte[1 << 17];
    Path target = directory.resolve(name);
    try (FileChannel file =
        FileChannel.open(
            target,
            Set.of(
                StandardOpenOption.WRITE,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                LinkOption.NOFOLLOW_LINKS))) {
      for (TarEntry.Extent extent : extents) {
        file.position(extent.offset());
        OutputStream output = Channels.newOutputStream(file);
        long left = extent.length();
        while (left > 0) {
          int count = tar.read(buffer, 0, (int) Math.min(buffer.length, left));
          if (count < 0) {
            throw new StageletException(
                ErrorCode.DATA_LOSS, "%s has less data in it than it says".formatted(name));
          }
          output.write(buffer, 0, count);
          left -= count;
        }
      }
    }
  }

  private static Description description(Path directory) throws IOException {
    JsonNode config = json(directory, CONFIG);
    JsonNode spec = json(directory, SPEC);
    String name = Json.text(config, "rootfsImageName");
    String reference = Json.text(config, "rootfsImageRef");
    if (name.isEmpty() && reference.isEmpty()) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "its config.dump does not say which image it was made from");
    }
    return new Description(
        reference.isEmpty() ? name : reference,
        name.isEmpty() ? reference : name,
        texts(spec.at("/process/args")),
        stream(spec.path("mounts"))
            .filter(mount -> mount.path("type").asText().equals("bind"))
            .map(mount -> mount.path("destination").asText())
            .toList());
  }

  private static JsonNode json(Path directory, String name) throws IOException {
    Path file = directory.resolve(name);
    if (!Files.exists(file) || Files.size(file) > LARGEST_DESCRIPTION) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "it has no %s, or one that is too large".formatted(name));
    }
    return Json.object(Files.readAllBytes(file), name);
  }

  private static List<String> texts(JsonNode array) {
    return stream(array).map(JsonNode::asText).toList();
  }

  private static Stream<JsonNode> stream(JsonNode array) {
    return array.isArray() ? array.valueStream() : Stream.empty();
  }

  /**
   * Gives a root filesystem, before it is mounted, what the container had written to it.
   *
   * @param directory what an archive was unpacked to
   * @param upper the upper directory
   */
  public static void applyWrittenFiles(Path directory, Path upper) {
    Path written = directory.resolve(WRITTEN);
    Path deleted = directory.resolve(DELETED);
    if (!Files.exists(written)) {
      return;
    }
    try (InputStream archive = new BufferedInputStream(Files.newInputStream(written), 1 << 17)) {
      WrittenFiles.apply(
          archive,
          Files.exists(deleted)
              ? Optional.ofNullable(
                      JSON.readValue(
                          Files.readAllBytes(deleted), new TypeReference<List<String>>() {}))
                  .orElse(List.of())
              : List.of(),
          upper);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "what the container of a checkpoint had written cannot be read: "
              + StageletException.reason(failure),
          failure);
    }
  }
}
