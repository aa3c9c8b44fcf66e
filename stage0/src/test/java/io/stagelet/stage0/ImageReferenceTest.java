package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImageReferenceTest {
  private static final String HEX =
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

  @ParameterizedTest
  @CsvSource({
    "busybox, docker.io/library/busybox:latest",
    "busybox:1, docker.io/library/busybox:1",
    "user/app, docker.io/user/app:latest",
    "docker.io/busybox, docker.io/library/busybox:latest",
    "index.docker.io/busybox:2, docker.io/library/busybox:2",
    "localhost/app, localhost/app:latest",
    "localhost:5000/app:v1.2_3-x, localhost:5000/app:v1.2_3-x",
    "registry.k8s.io/pause:3.10, registry.k8s.io/pause:3.10",
    "127.0.0.1:5000/a/b/c, 127.0.0.1:5000/a/b/c:latest",
    "[::1]:5000/app:x, [::1]:5000/app:x",
    "Host/app, Host/app:latest",
    "a.b/c__d/e-f--g.h:T, a.b/c__d/e-f--g.h:T",
  })
  void namesAreWrittenOut(String text, String canonical) {
    assertThat(ImageReference.parse(text).canonical()).isEqualTo(canonical);
    assertThat(ImageReference.parse(canonical).canonical()).isEqualTo(canonical);
  }

  @Test
  void aDigestWinsOverTheTagAndBothAreKept() {
    ImageReference reference = ImageReference.parse("busybox:1@sha256:" + HEX);

    assertThat(reference.canonical()).isEqualTo("docker.io/library/busybox:1@sha256:" + HEX);
    assertThat(reference.inRegistry()).isEqualTo("sha256:" + HEX);
    assertThat(reference.name()).isEqualTo("docker.io/library/busybox");
  }

  @Test
  void aDigestAloneHasNoTag() {
    assertThat(ImageReference.parse("busybox@sha256:" + HEX).tag()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        ":tag",
        "UPPER",
        "a/UPPER",
        "a//b",
        "/a",
        "a/",
        "a:",
        "a@",
        "a@sha256:12",
        "a b",
        "a:.x",
        "-a.b/c",
        "a..b/c",
        "a.b:port/c",
        "_a",
        "a_",
        "a___b",
        "https://a.b/c",
        HEX
      })
  void whatIsNoReferenceIsRefused(String text) {
    assertThatThrownBy(() -> ImageReference.parse(text))
        .isInstanceOf(StageletException.class)
        .extracting(e -> ((StageletException) e).code())
        .isEqualTo(ErrorCode.INVALID_ARGUMENT);
  }

  @Test
  void longOnesAreRefusedAndDoNotOverflowTheStack() {
    assertThatThrownBy(() -> ImageReference.parse("a/".repeat(100_000) + "a"))
        .isInstanceOf(StageletException.class);
    assertThatThrownBy(() -> ImageReference.parse("a".repeat(256)))
        .isInstanceOf(StageletException.class);
    assertThatThrownBy(() -> ImageReference.parse("a:" + "t".repeat(129)))
        .isInstanceOf(StageletException.class);
  }
}
