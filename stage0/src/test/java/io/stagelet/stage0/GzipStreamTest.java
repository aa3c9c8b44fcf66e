package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

class GzipStreamTest {
  private static final byte[] CONTENT = content();

  private static byte[] content() {
    byte[] bytes = new byte[300_000];
    new Random(1).nextBytes(bytes);
    Arrays.fill(bytes, 0, 150_000, (byte) 'x');
    return bytes;
  }

  private static byte[] gzip(byte[] content) throws IOException {
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
      gzip.write(content);
    }
    return packed.toByteArray();
  }

  private static byte[] join(byte[]... parts) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.write(part);
    }
    return all.toByteArray();
  }

  /** Gives one byte at a time, so that every boundary is met. */
  private static InputStream slow(byte[] bytes) {
    return new ByteArrayInputStream(bytes) {
      @Override
      public synchronized int read(byte[] target, int offset, int length) {
        return super.read(target, offset, Math.min(length, 1));
      }
    };
  }

  private static byte[] unpack(byte[] packed) throws IOException {
    // by whatever the machine has, and by zlib, which every machine has: they are to agree
    byte[] bySlow;
    try (GzipStream stream = new GzipStream(slow(packed))) {
      bySlow = stream.readAllBytes();
    }
    try (GzipStream stream =
        new GzipStream(new ByteArrayInputStream(packed), new Deflated.ByZlib())) {
      assertThat(stream.readAllBytes()).isEqualTo(bySlow);
    }
    return bySlow;
  }

  @Test
  void aStreamIsUnpacked() throws IOException {
    assertThat(unpack(gzip(CONTENT))).isEqualTo(CONTENT);
    assertThat(unpack(gzip(new byte[0]))).isEmpty();
  }

  @Test
  void allMembersAreUnpackedAndPaddingIsPassedOver() throws IOException {
    byte[] packed = join(gzip(CONTENT), gzip(new byte[0]), gzip(CONTENT), new byte[100]);

    assertThat(unpack(packed)).isEqualTo(join(CONTENT, CONTENT));
    try (GzipStream fast = new GzipStream(new ByteArrayInputStream(packed))) {
      assertThat(fast.readAllBytes()).isEqualTo(join(CONTENT, CONTENT));
    }
  }

  @Test
  void aHeaderWithAllItsOptionalPartsIsPassedOver() throws IOException {
    byte[] plain = gzip(CONTENT);
    byte[] header = {
      0x1f,
      (byte) 0x8b,
      8,
      2 | 4 | 8 | 16,
      0,
      0,
      0,
      0,
      0,
      0, // and then extra, name, comment, crc
      3,
      0,
      1,
      2,
      3,
      'n',
      0,
      'c',
      0,
      9,
      9
    };

    assertThat(unpack(join(header, Arrays.copyOfRange(plain, 10, plain.length))))
        .isEqualTo(CONTENT);
  }

  @Test
  void damageIsSaidWhereverTheStreamIsCutOff() throws IOException {
    byte[] packed = gzip("some text".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    for (int length = 1; length < packed.length; length++) {
      byte[] cut = Arrays.copyOf(packed, length);
      assertThatThrownBy(() -> unpack(cut))
          .isInstanceOf(StageletException.class)
          .hasMessageContaining("damaged");
    }
  }

  @Test
  void otherContentAfterTheEndIsDamage() throws IOException {
    byte[] packed = join(gzip(CONTENT), new byte[] {1, 2, 3});

    assertThatThrownBy(() -> unpack(packed)).hasMessageContaining("something else");
    assertThatThrownBy(() -> unpack(join(gzip(CONTENT), new byte[] {0, 0, 7})))
        .hasMessageContaining("after its end");
  }
}
