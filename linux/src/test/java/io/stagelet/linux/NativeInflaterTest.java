package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.zip.DataFormatException;
import java.util.zip.Deflater;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** ISA-L beside java.util.zip, which packs what it unpacks. */
@Timeout(60)
class NativeInflaterTest {
  private final Random random = new Random(7);
  private NativeInflater inflater;

  @BeforeEach
  void open() {
    Optional<NativeInflater> library = NativeInflater.open();
    assumeTrue(library.isPresent(), "this machine has no libisal.so.2 (Debian: libisal2)");
    inflater = library.orElseThrow();
  }

  @AfterEach
  void close() {
    if (inflater != null) {
      inflater.close();
    }
  }

  /** Some thousand bytes, or some hundred thousand, of so many letters. */
  private byte[] content() {
    byte[] content = new byte[random.nextInt(random.nextInt(4) == 0 ? 500_000 : 3_000)];
    int letters = 1 + random.nextInt(256);
    for (int i = 0; i < content.length; i++) {
      content[i] = (byte) random.nextInt(letters);
    }
    return content;
  }

  private static byte[] pack(byte[] content, int level, int strategy) {
    Deflater deflater = new Deflater(level, true);
    try {
      deflater.setStrategy(strategy);
      deflater.setInput(content);
      deflater.finish();
      ByteArrayOutputStream packed = new ByteArrayOutputStream();
      byte[] buffer = new byte[8192];
      while (!deflater.finished()) {
        packed.write(buffer, 0, deflater.deflate(buffer));
      }
      return packed.toByteArray();
    } finally {
      deflater.end();
    }
  }

  private record Result(byte[] content, boolean finished, int behind) {}

  /** Gives it {@code piece} bytes at a time, and takes as many at a time as fit. */
  private Result unpack(byte[] packed, int piece, int room) throws DataFormatException {
    inflater.reset();
    ByteArrayOutputStream unpacked = new ByteArrayOutputStream();
    byte[] buffer = new byte[room];
    int given = 0;
    while (true) {
      int count = inflater.inflate(buffer, 0, room);
      unpacked.write(buffer, 0, count);
      if (count > 0) {
        continue;
      }
      if (inflater.finished() || given == packed.length) {
        return new Result(
            unpacked.toByteArray(),
            inflater.finished(),
            packed.length - given + (inflater.finished() ? inflater.remaining() : 0));
      }
      given += inflater.input(packed, given, Math.min(piece, packed.length - given));
    }
  }

  private byte[] packed(byte[] content) {
    // all levels from "as it is" to the best; by default, filtered, or with codes alone
    return pack(content, random.nextInt(10), random.nextInt(3));
  }

  @Test
  void whatJavaPacksIsUnpackedInPiecesOfAnySize() throws DataFormatException {
    for (int round = 0; round < 300; round++) {
      byte[] content = content();
      byte[] packed = packed(content);
      int behind = random.nextInt(20);
      byte[] more = Arrays.copyOf(packed, packed.length + behind);

      Result result =
          unpack(
              more, 1 + random.nextInt(round % 3 == 0 ? 3 : 100_000), 1 + random.nextInt(200_000));

      assertThat(result.content()).isEqualTo(content);
      assertThat(result.finished()).isTrue();
      assertThat(result.behind()).isEqualTo(behind);
    }
  }

  @Test
  void aStreamThatIsCutOffHasNoEnd() throws DataFormatException {
    for (int round = 0; round < 100; round++) {
      byte[] content = content();
      byte[] packed = packed(content);
      byte[] cut = Arrays.copyOf(packed, random.nextInt(packed.length));

      Result result = unpack(cut, 1 + random.nextInt(70_000), 1 + random.nextInt(200_000));

      assertThat(result.finished()).isFalse();
      assertThat(Arrays.copyOf(content, result.content().length)).isEqualTo(result.content());
    }
  }

  @Test
  void damageIsSaidOrGivesOtherBytesAndTheNextStreamIsRightAgain() throws DataFormatException {
    for (int round = 0; round < 300; round++) {
      byte[] content = content();
      byte[] packed = packed(content);
      byte[] damaged = packed.clone();
      for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
        damaged[random.nextInt(damaged.length)] ^= (byte) (1 << random.nextInt(8));
      }

      assertThatCode(
              () -> {
                try {
                  Result _ =
                      unpack(damaged, 1 + random.nextInt(70_000), 1 + random.nextInt(200_000));
                } catch (DataFormatException said) {
                  assertThat(said).hasMessageContaining("not deflate");
                }
              })
          .doesNotThrowAnyException();
      assertThat(unpack(packed, 10_000, 10_000).content()).isEqualTo(content);
    }
  }

  @Test
  void whatIsNoDeflateIsRefused() {
    // a block of the fourth kind, which there is not
    assertThatThrownBy(() -> unpack(new byte[] {7, 7, 7, 7}, 4, 100))
        .isInstanceOf(DataFormatException.class);
  }
}
