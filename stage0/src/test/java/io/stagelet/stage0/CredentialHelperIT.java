package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A program that knows passwords; it must be on the path, so this writes there. */
class CredentialHelperIT {
  @TempDir Path directory;
  private String name;
  private Path program;

  @BeforeEach
  void install() throws IOException {
    name = "test-" + UUID.randomUUID();
    program = Path.of("/usr/local/bin/docker-credential-" + name);
    Files.writeString(
        program,
        """
        #!/bin/sh
        [ "$1" = get ] || exit 2
        read -r server || true
        case $server in
          a.example) echo '{"ServerURL":"a.example","Username":"user","Secret":"secret"}' ;;
          b.example) echo '{"Username":"<token>","Secret":"identity"}' ;;
          https://index.docker.io/v1/) echo '{"Username":"hub","Secret":"secret"}' ;;
          c.example) echo 'no JSON' ;;
          *) echo 'credentials not found in native keychain'; exit 1 ;;
        esac
        """);
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @AfterEach
  void remove() throws IOException {
    Files.delete(program);
  }

  @Test
  void aHelperIsAskedForTheRegistry() throws IOException {
    Path file = directory.resolve("auth.json");
    Files.writeString(file, "{\"credsStore\":\"%s\"}".formatted(name));
    CredentialFiles files = new CredentialFiles(List.of(file));

    assertThat(files.of("a.example/team/app")).isEqualTo(new Credentials.Basic("user", "secret"));
    assertThat(files.of("b.example/x")).isEqualTo(new Credentials.IdentityToken("identity"));
    assertThat(files.of("docker.io/library/x")).isEqualTo(new Credentials.Basic("hub", "secret"));
    assertThat(files.of("c.example/x")).isEqualTo(Credentials.none());
    assertThat(files.of("d.example/x")).isEqualTo(Credentials.none());
  }

  @Test
  void helpersOfRegistriesConfAreAskedInTheirOrder() throws IOException {
    Path file = directory.resolve("auth.json");
    Files.writeString(
        file, "{\"auths\":{\"a.example\":{\"username\":\"file\",\"password\":\"p\"}}}");

    CredentialFiles filesFirst =
        new CredentialFiles(List.of(file), () -> List.of(CredentialFiles.FILES, name));
    assertThat(filesFirst.of("a.example/x")).isEqualTo(new Credentials.Basic("file", "p"));
    assertThat(filesFirst.of("b.example/x")).isEqualTo(new Credentials.IdentityToken("identity"));
    CredentialFiles helperFirst =
        new CredentialFiles(List.of(file), () -> List.of(name, CredentialFiles.FILES));
    assertThat(helperFirst.of("a.example/x")).isEqualTo(new Credentials.Basic("user", "secret"));
  }

  @Test
  void aHelperOfOneRegistryIsAskedForThatAlone() throws IOException {
    Path file = directory.resolve("auth.json");
    Files.writeString(file, "{\"credHelpers\":{\"a.example\":\"%s\"}}".formatted(name));
    CredentialFiles files = new CredentialFiles(List.of(file));

    assertThat(files.of("a.example/x")).isEqualTo(new Credentials.Basic("user", "secret"));
    assertThat(files.of("b.example/x")).isEqualTo(Credentials.none());
  }
}
