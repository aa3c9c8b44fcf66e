package io.stagelet.stage1.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** With runtimes that are scripts. */
class OciRuntimeTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  private Path script(String text) throws IOException {
    Path script = Files.writeString(folder.resolve("runtime"), "#!/bin/sh\n" + text);
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
    return script;
  }

  private OciRuntime at(Path binary) {
    return OciRuntime.at(binary, folder.resolve("root"), List.of("--debug"), JSON);
  }

  private static void refused(ThrowingProbe probe, String... words) {
    assertThatThrownBy(probe::run)
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.FAILED_PRECONDITION))
        .hasMessageContainingAll(words);
  }

  private interface ThrowingProbe {
    void run() throws IOException;
  }

  @Test
  void aRuntimeIsAskedWhoItIsAndWhatItCan() throws IOException {
    OciRuntime runtime =
        at(
            script(
                """
                case $1 in
                  --version) echo crun version 1.21 ;;
                  --help) printf '\\tcreate  - x\\n\\tstart - x\\n\\tstate - x\\n\\tkill - x\\n\\tdelete - x\\n' ;;
                  features) echo '{"mountOptions": ["ro", "rro", "nosuid"], "linux": {"mountExtensions": {"idmap": {"enabled": true}}}}' ;;
                  *) exit 1 ;;
                esac
                """));

    assertThat(runtime.crun()).isTrue();
    assertThat(runtime.features().mapsIds()).isTrue();
    assertThat(runtime.features().mountsRecursivelyReadOnly()).isTrue();
    assertThat(runtime.features().mayKnow("nosuid")).isTrue();
    assertThat(runtime.features().mayKnow("size=4k")).isTrue();
    assertThat(runtime.features().mayKnow("sideways")).isFalse();
    assertThat(runtime.command(Path.of("/log"), "start", "x"))
        .containsSubsequence("--debug", "--log", "start", "x");
  }

  @Test
  void oneThatCannotTellItsFeaturesHasTheLeast() throws IOException {
    OciRuntime runtime =
        at(
            script(
                """
                case $1 in
                  --version) echo runsc version 1 ;;
                  help) printf 'create   x\\nstart  x\\nstate  x\\nkill x\\ndelete x\\n' ;;
                  *) exit 1 ;;
                esac
                """));

    assertThat(runtime.crun()).isFalse();
    assertThat(runtime.features().mapsIds()).isFalse();
    assertThat(runtime.features().mountsRecursivelyReadOnly()).isFalse();
    assertThat(runtime.features().mayKnow("anything")).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"crun version 1.21, false", "runc version 1.3.6+ds1, true", "runsc version 1, false"})
  void onlyRuncWantsTheContainersCgroupEmpty(String version, boolean empty) throws IOException {
    OciRuntime runtime =
        at(
            script(
                "case $1 in --version) echo '%s' ;; create|start|state|kill|delete) ;; *) exit 1 ;; esac"
                    .formatted(version)));

    assertThat(runtime.wantsAnEmptyCgroup()).isEqualTo(empty);
  }

  @Test
  void aCommandThatTheHelpDoesNotNameMayHaveHelpOfItsOwn() throws IOException {
    at(
        script(
            "case $1 in --version) echo x ;; create|start|state|kill|delete) ;; *) exit 1 ;;"
                + " esac"));
  }

  @Test
  void oneThatLacksACommandIsRefusedByThatName() throws IOException {
    Path script =
        script(
            """
            case $1 in
              --version) echo other 1 ;;
              --help) printf 'create  x\\nstart  x\\nkill  recreates the state\\n' ;;
              *) exit 1 ;;
            esac
            """);

    refused(() -> at(script), script.toString(), "lacks the commands state, delete");
  }

  /** gVisor's has no directory for a container, but files that begin with its id. */
  @Test
  void aContainerIsForgottenHoweverItsStateIsKept() throws IOException {
    OciRuntime runtime =
        at(
            script(
                """
                case $1 in
                  --version) echo runsc version 1 ;;
                  create|start|state|kill|delete) ;;
                  --root) echo "$@" > "$2/../told" ;;
                  *) exit 1 ;;
                esac
                """));
    Path root = Files.createDirectory(folder.resolve("root"));
    String id = "ab".repeat(32);
    runtime.forget(id);
    assertThat(folder.resolve("told")).doesNotExist();

    Files.writeString(root.resolve(id + "_sandbox:" + id + ".state"), "{}");
    Files.writeString(root.resolve(id + "_sandbox:" + id + ".lock"), "");
    Files.writeString(root.resolve("tty-exec-1"), "");

    assertThat(runtime.known()).containsExactly(id);
    runtime.forget(id);
    assertThat(folder.resolve("told")).content().contains("delete --force " + id);
  }

  @Test
  void aProgramThatTakesAnyCommandIsRefused() throws IOException {
    refused(() -> at(Path.of("/bin/true")), "/bin/true", "create, start, state, kill, delete");
    Path agrees = script("exit 0");
    refused(() -> at(agrees), agrees.toString(), "create, start, state, kill, delete");
  }

  @Test
  void oneThatHangsIsRefusedInTimeWithWhatItWasAsked() throws IOException {
    Path hangs = script("case $1 in --version) echo crun version 9 ;; *) exec sleep 1000 ;; esac");
    Instant begin = Instant.now();

    refused(
        () -> OciRuntime.at(hangs, folder.resolve("root"), List.of(), JSON, Duration.ofSeconds(1)),
        hangs.toString(),
        "within 1 s",
        "'--help'");

    assertThat(Duration.between(begin, Instant.now())).isLessThan(Duration.ofSeconds(10));
  }

  @Test
  void whatIsNoRuntimeIsRefused() throws IOException {
    Path script = script("echo 'what?' >&2; exit 3");

    refused(() -> at(script), script.toString(), "--version", "what?");
    refused(() -> at(folder.resolve("absent")), "absent");
  }

  @Test
  void oneThatCannotBeUsedSaysWhyAndForgetsNothing() {
    OciRuntime runtime =
        OciRuntime.unusable(
            folder, new StageletException(ErrorCode.FAILED_PRECONDITION, "it is on holiday"));

    refused(runtime::check, "it is on holiday");
    refused(() -> runtime.command(Path.of("/log"), "start"), "it is on holiday");
    runtime.forget("x");
  }
}
