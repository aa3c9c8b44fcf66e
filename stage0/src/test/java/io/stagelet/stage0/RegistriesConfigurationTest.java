package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** registries.conf and its drop-ins. */
class RegistriesConfigurationTest {
  private static final String DIGEST = "sha256:" + "a".repeat(64);

  private static RegistriesConfiguration parse(String toml) {
    return RegistriesReader.parse("registries.conf", toml);
  }

  private static List<String> sources(RegistriesConfiguration configuration, String reference) {
    return configuration.sources(ImageReference.parse(reference)).stream()
        .map(source -> source.name() + (source.insecure() ? " insecure" : ""))
        .toList();
  }

  @Test
  void nothingConfiguredIsTheRegistryItself() {
    assertThat(sources(RegistriesConfiguration.empty(), "quay.io/a/b:1"))
        .containsExactly("quay.io/a/b");
    assertThat(RegistriesConfiguration.empty().candidates("busybox"))
        .containsExactly(ImageReference.parse("docker.io/library/busybox:latest"));
  }

  @Test
  void theLongestPrefixThatEndsAtABoundaryWins() {
    RegistriesConfiguration configuration =
        parse(
            """
            [[registry]]
            prefix = "example.com/foo"
            location = "internal.example.com/bar"
            insecure = true
            [[registry]]
            prefix = "example.com/foo/deep"
            location = "deep.example.com"
            [[registry]]
            prefix = "*.wild.org"
            location = "tame.org/all"
            """);

    assertThat(sources(configuration, "example.com/foo/image:1"))
        .containsExactly("internal.example.com/bar/image insecure");
    assertThat(sources(configuration, "example.com/foo/deep/image"))
        .containsExactly("deep.example.com/image");
    assertThat(sources(configuration, "example.com/foobar/image"))
        .containsExactly("example.com/foobar/image");
    assertThat(sources(configuration, "a.b.wild.org:5000/x/y")).containsExactly("tame.org/all/x/y");
    assertThat(sources(configuration, "wild.org/x/y")).containsExactly("wild.org/x/y");
  }

  @Test
  void mirrorsComeFirstAndAskOnlyForWhatTheyMay() {
    RegistriesConfiguration configuration =
        parse(
            """
            [[registry]]
            location = "docker.io"
            [[registry.mirror]]
            location = "one.example:5000/hub"
            insecure = true
            [[registry.mirror]]
            location = "two.example"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "three.example"
            pull-from-mirror = "tag-only"
            """);

    assertThat(sources(configuration, "busybox:1"))
        .containsExactly(
            "one.example:5000/hub/library/busybox insecure",
            "three.example/library/busybox",
            "docker.io/library/busybox");
    assertThat(sources(configuration, "busybox@" + DIGEST))
        .containsExactly(
            "one.example:5000/hub/library/busybox insecure",
            "two.example/library/busybox",
            "docker.io/library/busybox");
  }

  @Test
  void mirrorByDigestOnlyLeavesTagsToTheRegistry() {
    RegistriesConfiguration configuration =
        parse(
            """
            [[registry]]
            location = "a.example"
            mirror-by-digest-only = true
            [[registry.mirror]]
            location = "m.example"
            """);

    assertThat(sources(configuration, "a.example/x:1")).containsExactly("a.example/x");
    assertThat(sources(configuration, "a.example/x@" + DIGEST))
        .containsExactly("m.example/x", "a.example/x");
  }

  @Test
  void aBlockedRegistryIsRefused() {
    RegistriesConfiguration configuration =
        parse("[[registry]]\nprefix = \"evil.example\"\nblocked = true\n");

    assertThatThrownBy(() -> sources(configuration, "evil.example/x:1"))
        .hasMessageContaining("blocks evil.example")
        .satisfies(
            e -> assertThat(((StageletException) e).code()).isEqualTo(ErrorCode.PERMISSION_DENIED));
  }

  @Test
  void shortNamesAreAliasesOrSearchedFor() {
    String search = "unqualified-search-registries = [\"one.example\", \"two.example\"]\n";
    String aliases = "[aliases]\n\"fedora\" = \"registry.example/fedora\"\n";

    RegistriesConfiguration permissive = parse(search + aliases);
    assertThat(permissive.candidates("fedora:41"))
        .containsExactly(ImageReference.parse("registry.example/fedora:41"));
    assertThat(permissive.candidates("x"))
        .containsExactly(
            ImageReference.parse("one.example/x:latest"),
            ImageReference.parse("two.example/x:latest"));
    assertThat(permissive.candidates("quay.io/x"))
        .containsExactly(ImageReference.parse("quay.io/x"));

    RegistriesConfiguration disabled = parse(search + "short-name-mode = \"disabled\"\n" + aliases);
    assertThat(disabled.candidates("fedora")).hasSize(2);

    RegistriesConfiguration enforcing =
        parse(search + "short-name-mode = \"enforcing\"\n" + aliases);
    assertThat(enforcing.candidates("fedora")).hasSize(1);
    assertThatThrownBy(() -> enforcing.candidates("x")).hasMessageContaining("ambiguous");
  }

  @Test
  void allMistakesAreSaidTogether() {
    assertThatThrownBy(() ->
            parse(
                """
                short-name-mode = "sometimes"
                [[registry]]
                insecure = "yes"
                location = "https://a.example"
                [[registry]]
                blocked = true
                """))
        .hasMessageContaining("sometimes")
        .hasMessageContaining("insecure must be true or false")
        .hasMessageContaining("without a scheme")
        .hasMessageContaining("neither prefix nor location");
    assertThatThrownBy(() -> parse("[registries.search]\nregistries = ['a']\n"))
        .hasMessageContaining("version 1");
    assertThatThrownBy(() -> parse("a = = b")).hasMessageContaining("registries.conf, line 1");
  }

  @Test
  void dropInsReplaceWhatTheyNameAndAreReadAgainWhenTheyChange(@TempDir Path directory)
      throws IOException {
    Path main = directory.resolve("registries.conf");
    Path dropIns = Files.createDirectory(directory.resolve("d"));
    Files.writeString(
        main,
        "[[registry]]\nlocation = \"a.example\"\nblocked = true\n[[registry]]\nlocation = \"b.example\"\nblocked = true\n");
    Files.writeString(
        dropIns.resolve("10.conf"), "[[registry]]\nlocation = \"a.example\"\ninsecure = true\n");
    Files.writeString(dropIns.resolve("ignored.txt"), "nonsense = = =");
    RegistryFiles files =
        new RegistryFiles(
            main,
            dropIns,
            List.of(directory.resolve("certs.d")),
            List.of(),
            directory.resolve("policy.json"),
            directory.resolve("registries.d"));
    ConfiguredRegistries registries = new ConfiguredRegistries(files, Set::of);

    assertThat(registries.of(ImageReference.parse("a.example/x")))
        .extracting(endpoint -> endpoint.base().toString())
        .containsExactly("https://a.example", "http://a.example");
    assertThatThrownBy(() -> registries.of(ImageReference.parse("b.example/x")))
        .hasMessageContaining("blocks");

    Files.writeString(
        dropIns.resolve("20.conf"), "[[registry]]\nlocation = \"b.example\"\nblocked = false\n");
    assertThat(registries.of(ImageReference.parse("b.example/x"))).hasSize(1);
  }
}
