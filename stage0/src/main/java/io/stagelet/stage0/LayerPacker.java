package io.stagelet.stage0;

import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.TreePath;
import io.stagelet.linux.TreeReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a layer's files as a tar archive: the reverse of {@link LayerUnpacker}. The archive has
 * the same files as the one that they came from, in another order, and so another digest.
 */
final class LayerPacker {
  private static final String OPAQUE = "trusted.overlay.opaque";
  private static final String WHITEOUT = ".wh.";

  private LayerPacker() {}

  /** Writes the layer in {@code directory}, and the archive's end. */
  static void pack(Path directory, OutputStream output) throws IOException {
    TarWriter tar = new TarWriter(output);
    TreeReader.read(
        directory,
        (path, kind, attributes, content) -> write(tar, path, kind, attributes, content, output));
    tar.end();
  }

  private static void write(
      TarWriter tar,
      TreePath path,
      TreeReader.Kind kind,
      FileAttributes all,
      TreeReader.Content content,
      OutputStream output)
      throws IOException {
    FileAttributes attributes = withoutOverlays(all);
    switch (kind) {
      case TreeReader.Kind.Directory() -> {
        tar.entry(path, TarWriter.Type.DIRECTORY, attributes, 0, "", 0, 0);
        if (all.xattrs().containsKey(OPAQUE)) {
          mark(tar, path.child(WHITEOUT + WHITEOUT + ".opq"));
        }
      }
      case TreeReader.Kind.File(long size, var first) -> {
        if (first.isPresent()) {
          tar.entry(path, TarWriter.Type.HARD_LINK, attributes, 0, first.get().raw(), 0, 0);
          return;
        }
        tar.entry(path, TarWriter.Type.FILE, attributes, size, "", 0, 0);
        try (FileChannel file = content.open()) {
          long copied = Channels.newInputStream(file).transferTo(output);
          if (copied != size) {
            throw new IOException("%s changed while it was read".formatted(path));
          }
        }
        tar.pad(size);
      }
      case TreeReader.Kind.SymbolicLink(String text) ->
          tar.entry(path, TarWriter.Type.SYMBOLIC_LINK, attributes, 0, text, 0, 0);
      case TreeReader.Kind.Device(boolean block, int major, int minor) -> {
        if (!block && major == 0 && minor == 0) {
          mark(tar, path.parent().child(WHITEOUT + path.name()));
          return;
        }
        tar.entry(
            path,
            block ? TarWriter.Type.BLOCK_DEVICE : TarWriter.Type.CHARACTER_DEVICE,
            attributes,
            0,
            "",
            major,
            minor);
      }
      case TreeReader.Kind.Fifo() -> tar.entry(path, TarWriter.Type.FIFO, attributes, 0, "", 0, 0);
      case TreeReader.Kind.Socket() -> {
        // no layer has one
      }
    }
  }

  private static void mark(TarWriter tar, TreePath path) throws IOException {
    tar.entry(path, TarWriter.Type.FILE, new FileAttributes(0, 0, 0, 0, 0, Map.of()), 0, "", 0, 0);
  }

  private static FileAttributes withoutOverlays(FileAttributes all) {
    Map<String, byte[]> kept = new HashMap<>(all.xattrs());
    kept.keySet()
        .removeIf(name ->
            List.of("trusted.overlay.", "user.overlay.").stream().anyMatch(name::startsWith)
                || name.equals("security.selinux"));
    return new FileAttributes(
        all.uid(), all.gid(), all.mode(), all.mtimeSeconds(), all.mtimeNanos(), kept);
  }
}
