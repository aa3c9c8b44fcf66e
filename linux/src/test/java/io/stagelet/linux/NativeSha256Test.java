package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.MessageDigest;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The build's machines have libcrypto: systemd itself uses it. */
class NativeSha256Test {
  private final MessageDigest java = java();
  private final MessageDigest ours = NativeSha256.open().orElseThrow();

  @Test
  void itSaysWhatJavaSaysWhateverThePieces() {
    Random random = new Random(7);
    byte[] content = new byte[1_000_003];
    random.nextBytes(content);
    for (int round = 0; round < 20; round++) {
      int position = 0;
      while (position < content.length) {
        int piece =
            Math.min(content.length - position, random.nextInt(round % 2 == 0 ? 300_000 : 1000));
        java.update(content, position, piece);
        ours.update(content, position, piece);
        position += piece;
      }
      ours.update((byte) round);
      java.update((byte) round);
      assertThat(ours.digest()).isEqualTo(java.digest());
    }
  }

  @Test
  void nothingHasADigestTooAndAResetForgets() {
    ours.update(new byte[100]);
    ours.reset();
    assertThat(ours.digest()).isEqualTo(java.digest());
    assertThat(ours.getDigestLength()).isEqualTo(32);
  }

  private static MessageDigest java() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (java.security.NoSuchAlgorithmException missing) {
      throw new IllegalStateException(missing);
    }
  }
}
