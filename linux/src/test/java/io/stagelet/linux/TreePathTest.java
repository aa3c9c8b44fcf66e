package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TreePathTest {
  @ParameterizedTest
  @CsvSource({
    "a/b, a/b",
    "/a/b, a/b",
    "./a//b/, a/b",
    "a/./b, a/b",
    "a/../b, b",
    "../../etc/passwd, etc/passwd",
    "/.., ''",
    "., ''",
    "'', ''",
    "..a/.b/c.., ..a/.b/c..",
    ".../x, .../x",
  })
  void everyTextIsAPathBelowTheRoot(String text, String clean) {
    assertThat(TreePath.of(text).raw()).isEqualTo(clean);
  }

  @Test
  void partsFitTogether() {
    TreePath path = TreePath.of("usr/lib/os-release");

    assertThat(path.parent().child(path.name())).isEqualTo(path);
    assertThat(path.name()).isEqualTo("os-release");
    assertThat(TreePath.of("etc").parent()).isEqualTo(TreePath.ROOT);
    assertThat(TreePath.ROOT.parent()).isEqualTo(TreePath.ROOT);
  }

  @Test
  void bytesThatAreNotUtf8SurviveAndTextIsShownAsText() {
    byte[] bytes = {'a', (byte) 0xff, (byte) 0x80};

    assertThat(TreePath.of(bytes).raw()).isEqualTo("a\u00ff\u0080");
    assertThat(TreePath.of("ü")).hasToString("/ü");
  }

  @Test
  void linksAreFollowedFromTheirDirectoryOrTheRoot() {
    TreePath directory = TreePath.of("usr/bin");

    assertThat(directory.follow("../lib").raw()).isEqualTo("usr/lib");
    assertThat(directory.follow("/lib").raw()).isEqualTo("lib");
    assertThat(directory.follow("../../../..").isRoot()).isTrue();
  }

  @Test
  void aNulOrMoreThanAPathMayHaveIsRefused() {
    assertThatThrownBy(() -> TreePath.of("a\0b")).hasMessageContaining("NUL");
    assertThatThrownBy(() -> TreePath.of("x".repeat(4096))).hasMessageContaining("4096 bytes");
    assertThatThrownBy(() -> new TreePath("a/../b")).isInstanceOf(IllegalArgumentException.class);
  }
}
