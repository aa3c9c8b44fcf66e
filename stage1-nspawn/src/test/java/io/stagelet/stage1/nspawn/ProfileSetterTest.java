package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** Under a profile that the kernel has, in {@code SwappedStage1IT}. */
@EnabledIf("hasInstructions")
class ProfileSetterTest {
  @TempDir private Path folder;
  private Path setter = Path.of("");

  static boolean hasInstructions() {
    return System.getProperty("os.arch").equals(StaticProgram.ARCHITECTURE);
  }

  @BeforeEach
  void write() throws IOException {
    setter = WrittenProgram.in(folder, ProfileSetter.program());
  }

  /** Neither a kernel without AppArmor nor one with it has such a profile. */
  @Test
  void withoutTheProfileNothingIsRun() {
    Command.Outcome outcome =
        Command.of(setter.toString(), ProfileSetter.words("no-such-profile"), "/bin/echo", "ran")
            .run();

    assertThat(outcome.exitCode()).isNotZero();
    assertThat(outcome.text()).isEmpty();
  }

  @Test
  void withoutAppArmorItSaysSo() {
    assumeFalse(
        Files.exists(Path.of("/proc/self/attr/apparmor/exec"))
            && Files.isDirectory(Path.of("/sys/kernel/security/apparmor")),
        "this kernel has AppArmor");

    Command.Outcome outcome =
        Command.of(setter.toString(), ProfileSetter.words("any"), "/bin/echo", "ran").run();

    assertThat(outcome.exitCode()).isEqualTo(126);
    assertThat(outcome.complaint())
        .isEqualTo("stagelet: the container's AppArmor profile cannot be set");
  }
}
