package io.stagelet.stage0;

import io.stagelet.linux.ConfinedTree;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import io.stagelet.linux.TreeReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a container has written to its root filesystem, as a tar archive and a list of what it has
 * deleted: the form in which checkpoints hold it. A directory that was deleted and made anew has
 * the mark {@code .wh..wh..opq} of image layers in the archive.
 */
final class WrittenFiles {
  private static final String OVERLAY = "trusted.overlay.";
  private static final String OPAQUE = "trusted.overlay.opaque";
  private static final String REDIRECT = "trusted.overlay.redirect";
  private static final String OPAQUE_MARK = ".wh..wh..opq";
  private static final FileAttributes MARK = new FileAttributes(0, 0, 0644, 0, 0, Map.of());

  private WrittenFiles() {}

  /**
   * Writes the archive. Nothing may change meanwhile.
   *
   * @param upper the upper directory of its overlay
   * @return what was deleted, as paths in the container
   */
  static List<String> write(Path upper, OutputStream output) throws IOException {
    List<String> deleted = new ArrayList<>();
    TarWriter tar = new TarWriter(output);
    TreeReader.read(
        upper,
        (path, kind, attributes, content) -> {
          Map<String, byte[]> xattrs = new HashMap<>(attributes.xattrs());
          if (xattrs.containsKey(REDIRECT)) {
            throw new StageletException(
                ErrorCode.UNIMPLEMENTED,
                "%s was moved by overlayfs with a redirection, which no archive can hold; mount with redirect_dir=off"
                    .formatted(text(path)));
          }
          boolean opaque = xattrs.containsKey(OPAQUE);
          xattrs.keySet().removeIf(name -> name.startsWith(OVERLAY));
          FileAttributes kept =
              new FileAttributes(
                  attributes.uid(),
                  attributes.gid(),
                  attributes.mode(),
                  attributes.mtimeSeconds(),
                  attributes.mtimeNanos(),
                  xattrs);
          switch (kind) {
            case TreeReader.Kind.Directory() -> {
              tar.entry(path, TarWriter.Type.DIRECTORY, kept, 0, "", 0, 0);
              if (opaque && !path.isRoot()) {
                tar.entry(path.child(OPAQUE_MARK), TarWriter.Type.FILE, MARK, 0, "", 0, 0);
              }
            }
            case TreeReader.Kind.File(long size, Optional<TreePath> first) -> {
              if (first.isPresent()) {
                tar.entry(path, TarWriter.Type.HARD_LINK, kept, 0, first.get().raw(), 0, 0);
              } else {
                tar.entry(path, TarWriter.Type.FILE, kept, size, "", 0, 0);
                copy(path, content, size, output);
                tar.pad(size);
              }
            }
            case TreeReader.Kind.SymbolicLink(String target) ->
                tar.entry(path, TarWriter.Type.SYMBOLIC_LINK, kept, 0, target, 0, 0);
            case TreeReader.Kind.Device(boolean block, int major, int minor) -> {
              if (!block && major == 0 && minor == 0) {
                deleted.add("/" + text(path));
              } else {
                tar.entry(
                    path,
                    block ? TarWriter.Type.BLOCK_DEVICE : TarWriter.Type.CHARACTER_DEVICE,
                    kept,
                    0,
                    "",
                    major,
                    minor);
              }
            }
            case TreeReader.Kind.Fifo() -> tar.entry(path, TarWriter.Type.FIFO, kept, 0, "", 0, 0);
            // criu makes those that somebody listens on anew
            case TreeReader.Kind.Socket() -> {}
          }
        });
    tar.end();
    return deleted;
  }

  private static void copy(
      TreePath path, TreeReader.Content content, long size, OutputStream output)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(1 << 17);
    long left = size;
    try (FileChannel file = content.open()) {
      while (left > 0) {
        buffer.clear().limit((int) Math.min(buffer.capacity(), left));
        int count = file.read(buffer);
        if (count < 0) {
          throw new EOFException(text(path) + " became shorter while it was read");
        }
        output.write(buffer.array(), 0, count);
        left -= count;
      }
    }
  }

  /**
   * Writes to an upper directory, before it is mounted, what an archive holds; it may be hostile.
   *
   * @param deleted as {@link #write} gives it
   * @throws StageletException {@code DATA_LOSS} when the archive is damaged
   */
  static void apply(InputStream archive, List<String> deleted, Path upper) throws IOException {
    try (ConfinedTree tree = ConfinedTree.open(upper)) {
      for (String path : deleted) {
        TreePath hidden = TreePath.of(path);
        if (hidden.isRoot()) {
          throw new StageletException(
              ErrorCode.DATA_LOSS, "it says that '%s' was deleted".formatted(path));
        }
        tree.whiteout(hidden);
      }
      tree.finish();
    }
    var _ = new LayerUnpacker(UnpackLimits.defaults()).unpack(archive, upper);
  }

  private static String text(TreePath path) {
    return new String(path.raw().getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
  }
}
