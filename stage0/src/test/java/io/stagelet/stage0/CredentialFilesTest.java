package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** auth.json and config.json. */
class CredentialFilesTest {
  @TempDir Path directory;
  private Path first;
  private Path second;
  private CredentialFiles files;

  @BeforeEach
  void prepare() {
    first = directory.resolve("auth.json");
    second = directory.resolve("config.json");
    files = new CredentialFiles(List.of(first, second));
  }

  private static String auth(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  private void write(Path file, String json) throws IOException {
    Files.writeString(file, json.replace('\'', '"'));
  }

  @Test
  void noFileIsNoCredentials() {
    assertThat(files.of("a.example/b")).isEqualTo(Credentials.none());
  }

  @Test
  void theMostSpecificEntryWins() throws IOException {
    write(
        first,
        "{'auths':{'a.example':{'auth':'%s'},'a.example/team':{'auth':'%s'},'a.example/team/x':{'auth':'%s'}}}"
            .formatted(auth("one:1"), auth("two:2"), auth("three:3:3")));

    assertThat(files.of("a.example/other/x")).isEqualTo(new Credentials.Basic("one", "1"));
    assertThat(files.of("a.example/team/y")).isEqualTo(new Credentials.Basic("two", "2"));
    assertThat(files.of("a.example/team/x")).isEqualTo(new Credentials.Basic("three", "3:3"));
    assertThat(files.of("a.example.org/team")).isEqualTo(Credentials.none());
  }

  @Test
  void dockersOldKeysAndTokensAreKnown() throws IOException {
    write(
        second,
        "{'auths':{'https://index.docker.io/v1/':{'auth':'%s'},'https://b.example':{'identitytoken':'i'},'c.example':{'registrytoken':'r'}}}"
            .formatted(auth("hub:secret")));

    assertThat(files.of("docker.io/library/busybox"))
        .isEqualTo(new Credentials.Basic("hub", "secret"));
    assertThat(files.of("b.example/x")).isEqualTo(new Credentials.IdentityToken("i"));
    assertThat(files.of("c.example/x")).isEqualTo(new Credentials.RegistryToken("r"));
  }

  @Test
  void theFirstFileThatKnowsWinsAndABrokenOneIsPassedOver() throws IOException {
    write(first, "{broken");
    write(second, "{'auths':{'a.example':{'auth':'%s'}}}".formatted(auth("u:p")));
    assertThat(files.of("a.example/x")).isEqualTo(new Credentials.Basic("u", "p"));

    write(first, "{'auths':{'a.example':{'auth':'%s'}}}".formatted(auth("first:p")));
    assertThat(files.of("a.example/x")).isEqualTo(new Credentials.Basic("first", "p"));
  }

  @Test
  void aHelperThatIsMissingOrHasABadNameGivesNothing() throws IOException {
    write(
        first,
        "{'credHelpers':{'a.example':'../../bin/sh','b.example':'there-is-no-such-helper'}}");

    assertThat(files.of("a.example/x")).isEqualTo(Credentials.none());
    assertThat(files.of("b.example/x")).isEqualTo(Credentials.none());
  }

  @Test
  void noSecretIsEverPrinted() {
    assertThat(Credentials.basic(auth("user:hush")).toString()).doesNotContain("hush");
  }
}
