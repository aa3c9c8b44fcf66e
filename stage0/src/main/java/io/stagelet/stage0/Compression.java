package io.stagelet.stage0;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;

/** How a layer is packed, as its first bytes tell: media types are often wrong. */
final class Compression {
  private static final int MAGIC = 4;

  private Compression() {}

  /**
   * The unpacked bytes of {@code packed}: gzip, zstd, or as they are. Close it to free memory; that
   * closes {@code packed} too.
   */
  static InputStream unpacked(InputStream packed) throws IOException {
    byte[] magic = packed.readNBytes(MAGIC);
    InputStream all = new SequenceInputStream(new ByteArrayInputStream(magic), packed);
    if (magic.length >= 2 && magic[0] == 0x1f && magic[1] == (byte) 0x8b) {
      return new GzipStream(all);
    }
    boolean zstd =
        magic.length == MAGIC
            && magic[0] == 0x28
            && magic[1] == (byte) 0xb5
            && magic[2] == 0x2f
            && magic[3] == (byte) 0xfd;
    boolean skippableFrame =
        magic.length == MAGIC
            && (magic[0] & 0xf0) == 0x50
            && magic[1] == 0x2a
            && magic[2] == 0x4d
            && magic[3] == 0x18;
    return zstd || skippableFrame ? new ZstdInputStreamNoFinalizer(all) : all;
  }
}
