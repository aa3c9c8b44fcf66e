package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.MountInfo;
import io.stagelet.linux.Mounts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What systemd-nspawn leaves of a machine that was killed. */
class NspawnStateIT {
  private static final Path STATE = Path.of("/run/systemd/nspawn");

  /** The last is where systemd 262 has it. */
  @ParameterizedTest
  @ValueSource(strings = {"propagate/%s", "unix-export/%s", "%s/unix-export"})
  void aMountIsTakenAwayWithItsDirectory(String place) throws Exception {
    String name = "state-" + UUID.randomUUID().toString().substring(0, 8);
    Path mounted = Files.createDirectories(STATE.resolve(place.formatted(name)));
    Mounts.mount("tmpfs", "tmpfs", mounted, Set.of(), "size=4k");
    Files.createFile(mounted.resolve("notify"));

    NspawnStage1.forgetState(name);

    assertThat(mounted).doesNotExist();
    assertThat(STATE.resolve(name)).doesNotExist();
    assertThat(MountInfo.all()).extracting(MountInfo::target).doesNotContain(mounted);
  }

  @Test
  void aMachineThatLeftNothingIsFine() {
    NspawnStage1.forgetState("state-of-none");

    assertThat(STATE.resolve("state-of-none")).doesNotExist();
  }
}
