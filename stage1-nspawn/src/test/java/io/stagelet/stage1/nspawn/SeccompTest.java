package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.Command;
import io.stagelet.linux.StageletException;
import io.stagelet.units.UnitProperty;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A profile said to systemd, and as the program that the kernel runs. */
class SeccompTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> PROGRAM = List.of("/bin/cat", "/proc/self/status");

  @TempDir private Path folder;
  private Path loader = Path.of("/");

  @BeforeEach
  void writeTheLoader() throws IOException {
    loader = WrittenProgram.in(folder, FilterLoader.program());
  }

  @Test
  void aListOfWhatIsAllowedBecomesASystemCallFilter() {
    assertThat(
            properties(
                """
                {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13,
                 "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                 "syscalls": [{"names": ["write", "read"], "action": "SCMP_ACT_ALLOW"}]}
                """))
        .hasValue(
            List.of(
                new UnitProperty.Signed32("SystemCallErrorNumber", 13),
                new UnitProperty.SystemCalls("SystemCallFilter", true, List.of("read", "write")),
                new UnitProperty.Texts(
                    "SystemCallArchitectures", List.of("native", "x86-64", "x86"))));
  }

  @Test
  void aListOfWhatIsForbiddenKeepsTheAnswerOfEachCall() {
    assertThat(
            properties(
                """
                {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                  {"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"},
                  {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 2},
                  {"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"},
                  {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}
                """))
        .hasValue(
            List.of(
                new UnitProperty.SystemCalls(
                    "SystemCallFilter", false, List.of("chmod:2", "reboot:kill", "sethostname:1")),
                new UnitProperty.Texts("SystemCallArchitectures", List.of("native"))));
  }

  @Test
  void aRuleAboutArgumentsCannotBeSaidToSystemd() {
    assertThat(
            properties(
                """
                {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                  {"names": ["kill"], "action": "SCMP_ACT_ERRNO",
                   "args": [{"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}]}]}
                """))
        .isEmpty();
  }

  @Test
  void aRuleThatNobodyUnderstandsIsRefusedByItsText() {
    assertThatThrownBy(() ->
            SeccompProfile.of(
                """
                {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                  {"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}
                """,
                JSON))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("mount")
        .hasMessageContaining("SCMP_ACT_NOTIFY");
  }

  @Test
  void theLoaderGivesItsProgramTheFilter() {
    Command.Outcome outcome =
        run(
            """
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
              {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
            """,
            PROGRAM);

    assertThat(outcome.exitCode()).isZero();
    assertThat(outcome.text()).containsPattern("Seccomp:\\s+2\n");
  }

  @Test
  void rulesLookAtArguments() {
    String profile =
        """
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
          {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 19,
           "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"},
                    {"index": 1, "value": 12, "op": "SCMP_CMP_EQ"}]}]}
        """;

    assertThat(run(profile, shell("kill -0 $$ && echo sent")).text()).isEqualTo("sent\n");
    assertThat(run(profile, shell("kill -10 $$")).complaint()).contains("No such device");
    assertThat(run(profile, shell("kill -12 $$")).complaint()).contains("No such device");
  }

  @Test
  void argumentsAndEnvironmentPassThroughTheLoader() {
    Command.Outcome outcome =
        run("{\"defaultAction\": \"SCMP_ACT_ALLOW\"}", shell("echo $0 $1 $LANG", "a", "b c"));

    assertThat(outcome.text()).isEqualTo("a b c C.UTF-8\n");
  }

  @Test
  void withoutItsFilterTheLoaderRunsNothing() {
    Command.Outcome outcome =
        Command.of(loader.toString(), folder.resolve("none").toString(), "/bin/echo", "ran").run();

    assertThat(outcome.exitCode()).isEqualTo(126);
    assertThat(outcome.output()).isEmpty();
    assertThat(outcome.complaint()).contains("seccomp filter cannot be loaded");
  }

  private static List<String> shell(String script, String... arguments) {
    return Stream.concat(Stream.of("/bin/sh", "-c", script), Stream.of(arguments)).toList();
  }

  private Command.Outcome run(String profile, List<String> program) {
    Path filter = folder.resolve("filter");
    SeccompProfile.of(profile, JSON).writeTo(filter);
    return Command.of(
            Stream.concat(
                    Stream.of("setpriv", "--no-new-privs", loader.toString(), filter.toString()),
                    program.stream())
                .toList())
        .run();
  }

  private static Optional<List<UnitProperty>> properties(String profile) {
    return SystemCallProfile.properties(SeccompProfile.of(profile, JSON));
  }
}
