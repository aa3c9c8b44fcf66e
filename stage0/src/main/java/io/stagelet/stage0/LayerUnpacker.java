package io.stagelet.stage0;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import io.stagelet.linux.TreeUsage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.zip.CRC32C;

/**
 * Writes a layer's tar archive to a directory that overlayfs can take as a lower one: {@code .wh.}
 * files become whiteouts and marks of opaque directories (OCI image specification, "Representing
 * Changes").
 */
final class LayerUnpacker {
  /**
   * What came of it.
   *
   * @param room the tree's room on the disk
   * @param opaqueRoot whether the layer hides all layers below it
   * @param implicitDirectories directories that the archive puts files in and does not describe
   * @param refusedXattrs extended attributes that this filesystem does not take
   * @param contents what its files hold
   */
  record Unpacked(
      ConfinedTree.Room room,
      boolean opaqueRoot,
      List<TreePath> implicitDirectories,
      Set<String> refusedXattrs,
      LayerContents contents) {}

  private static final String WHITEOUT = ".wh.";
  private static final String OPAQUE = ".wh..wh..opq";
  private static final String AUFS = ".wh..wh.";

  private final UnpackLimits limits;

  LayerUnpacker(UnpackLimits limits) {
    this.limits = limits;
  }

  /**
   * Unpacks all of {@code archive}, to the end of the stream, into an empty directory.
   *
   * @throws StageletException {@code DATA_LOSS} when the archive is damaged, {@code
   *     RESOURCE_EXHAUSTED} when it is larger than allowed or the disk is full
   * @throws IOException when the stream failed
   */
  Unpacked unpack(InputStream archive, Path directory) throws IOException {
    InputStream counted = new LimitedStream(archive, limits.bytes());
    TarReader tar = new TarReader(counted);
    byte[] buffer = new byte[128 << 10];
    LayerContents contents = new LayerContents();
    try (ConfinedTree tree = ConfinedTree.open(directory)) {
      long entries = 0;
      for (TarEntry entry = tar.next(); entry != null; entry = tar.next()) {
        if (++entries > limits.entries()) {
          throw new StageletException(
              ErrorCode.RESOURCE_EXHAUSTED,
              "the layer has more than the %d entries that are allowed"
                  .formatted(limits.entries()));
        }
        write(tree, tar, entry, buffer, contents);
      }
      tar.drain();
      tree.finish();
      return new Unpacked(
          tree.replaced() ? TreeUsage.of(directory) : tree.room(),
          tree.opaqueRoot(),
          tree.implicitDirectories(),
          tree.refusedXattrs(),
          contents);
    }
  }

  private void write(
      ConfinedTree tree, TarReader tar, TarEntry entry, byte[] buffer, LayerContents contents)
      throws IOException {
    TreePath path = entry.path();
    String name = path.name();
    if (name.startsWith(WHITEOUT)) {
      if (name.equals(OPAQUE)) {
        tree.opaque(path.parent());
      } else if (!name.startsWith(AUFS) && name.length() > WHITEOUT.length()) {
        tree.whiteout(hidden(path));
      }
      // aufs kept other notes under such names; they mean nothing here
      return;
    }
    FileAttributes attributes = withoutOurs(entry.attributes());
    switch (entry.kind()) {
      case TarEntry.Kind.Directory() -> contents.directory(path);
      case TarEntry.Kind.SymbolicLink _ -> contents.link(path);
      case TarEntry.Kind.File _ -> {}
      case TarEntry.Kind.HardLink _,
          TarEntry.Kind.CharacterDevice _,
          TarEntry.Kind.BlockDevice _,
          TarEntry.Kind.Fifo _ ->
          contents.other(path);
    }
    switch (entry.kind()) {
      case TarEntry.Kind.Directory() -> tree.directory(path, attributes);
      case TarEntry.Kind.File file ->
          writeFile(tree, tar, path, file, attributes, buffer, contents);
      case TarEntry.Kind.SymbolicLink(String text) -> tree.symbolicLink(path, text, attributes);
      case TarEntry.Kind.HardLink(TreePath target) -> tree.hardLink(path, target);
      case TarEntry.Kind.CharacterDevice(long major, long minor) ->
          tree.device(path, ConfinedTree.Device.CHARACTER, major, minor, attributes);
      case TarEntry.Kind.BlockDevice(long major, long minor) ->
          tree.device(path, ConfinedTree.Device.BLOCK, major, minor, attributes);
      case TarEntry.Kind.Fifo() -> tree.fifo(path, attributes);
    }
  }

  /** What {@code .wh.name} hides; {@code .wh..} and {@code .wh...} hide nothing that can be. */
  private static TreePath hidden(TreePath path) {
    String name = path.name().substring(WHITEOUT.length());
    if (name.equals(".") || name.equals("..")) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, path + " marks something as removed that is no file name");
    }
    return path.parent().child(name);
  }

  private void writeFile(
      ConfinedTree tree,
      TarReader tar,
      TreePath path,
      TarEntry.Kind.File file,
      FileAttributes attributes,
      byte[] buffer,
      LayerContents contents)
      throws IOException {
    CRC32C checksum = new CRC32C();
    long written = 0;
    if (file.size() > limits.bytes()) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "%s has %d bytes, more than the %d that are allowed"
              .formatted(path, file.size(), limits.bytes()));
    }
    try (ConfinedTree.NewFile target = tree.file(path)) {
      for (TarEntry.Extent extent : file.extents()) {
        long position = extent.offset();
        long end = extent.offset() + extent.length();
        while (position < end) {
          int count = (int) Math.min(buffer.length, end - position);
          fill(tar, path, buffer, count);
          target.write(position, buffer, 0, count);
          checksum.update(buffer, 0, count);
          written += count;
          position += count;
        }
      }
      target.finish(file.size(), attributes);
    }
    contents.file(
        path, file.size(), written == file.size() ? Optional.of(checksum) : Optional.empty());
  }

  private static void fill(TarReader tar, TreePath path, byte[] buffer, int length)
      throws IOException {
    for (int filled = 0; filled < length; ) {
      int count = tar.read(buffer, filled, length - filled);
      if (count < 0) {
        throw new StageletException(
            ErrorCode.DATA_LOSS, path + " has less data in the tar archive than it says");
      }
      filled += count;
    }
  }

  /**
   * Overlayfs's own marks could make it look elsewhere, and the labels of SELinux are this host's
   * to give.
   */
  private static FileAttributes withoutOurs(FileAttributes attributes) {
    if (attributes.xattrs().isEmpty()) {
      return attributes;
    }
    Map<String, byte[]> kept = new HashMap<>(attributes.xattrs());
    kept.keySet()
        .removeIf(name ->
            name.startsWith("trusted.overlay.")
                || name.startsWith("user.overlay.")
                || name.equals("security.selinux"));
    return new FileAttributes(
        attributes.uid(),
        attributes.gid(),
        attributes.mode(),
        attributes.mtimeSeconds(),
        attributes.mtimeNanos(),
        kept);
  }

  /** Fails when more bytes come than are allowed. */
  private static final class LimitedStream extends InputStream {
    private final InputStream source;
    private final long limit;
    private long count;

    LimitedStream(InputStream source, long limit) {
      this.source = source;
      this.limit = limit;
    }

    @Override
    public int read() throws IOException {
      return counted(source.read(), 1);
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
      int read = source.read(target, offset, length);
      return counted(read, Math.max(read, 0));
    }

    private int counted(int result, int more) {
      count += result < 0 ? 0 : more;
      if (count > limit) {
        throw new StageletException(
            ErrorCode.RESOURCE_EXHAUSTED,
            "the layer unpacks to more than the %d bytes that are allowed".formatted(limit));
      }
      return result;
    }
  }
}
