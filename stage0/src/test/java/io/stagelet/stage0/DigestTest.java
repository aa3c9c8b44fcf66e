package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DigestTest {
  private static final String EMPTY =
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

  @Test
  void contentHasTheDigestThatTheStandardSays() {
    assertThat(Digest.of(new byte[0])).hasToString(EMPTY);
    assertThat(Digest.parse(EMPTY)).isEqualTo(Digest.of(new byte[0]));
  }

  @Test
  void otherContentIsDamage() {
    Digest digest = Digest.of("a".getBytes(UTF_8));

    digest.verify("a".getBytes(UTF_8), "the file");
    assertThatThrownBy(() -> digest.verify("b".getBytes(UTF_8), "the file"))
        .isInstanceOf(StageletException.class)
        .hasMessageStartingWith("the file is damaged")
        .extracting(e -> ((StageletException) e).code())
        .isEqualTo(ErrorCode.DATA_LOSS);
  }

  @Test
  void sha512IsVerifiedToo() {
    Digest digest =
        Digest.parse(
            "sha512:1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75");

    digest.verify("a".getBytes(UTF_8), "the file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "sha256",
        "sha256:",
        "sha256:abc",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256:../../../../../../../../../../../../../../../../../../../etc/pass"
      })
  void whatIsNoDigestIsRefused(String text) {
    assertThatThrownBy(() -> Digest.parse(text))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("is no digest");
  }
}
