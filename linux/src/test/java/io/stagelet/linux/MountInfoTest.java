package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class MountInfoTest {
  @Test
  void allFieldsAreRead() {
    MountInfo mount =
        MountInfo.parse(
                """
                36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
                """)
            .getFirst();

    assertThat(mount.id()).isEqualTo(36);
    assertThat(mount.parent()).isEqualTo(35);
    assertThat(mount.device()).isEqualTo("98:0");
    assertThat(mount.root()).isEqualTo("/mnt1");
    assertThat(mount.target()).isEqualTo(Path.of("/mnt/a b"));
    assertThat(mount.options()).containsExactlyInAnyOrder("rw", "noatime");
    assertThat(mount.propagation()).containsExactly("master:1", "shared:7");
    assertThat(mount.type()).isEqualTo("ext3");
    assertThat(mount.source()).isEqualTo("/dev/root");
    assertThat(mount.filesystemOptions()).containsExactly("rw", "errors=continue");
  }

  @Test
  void aPrivateMountHasNoPropagation() {
    assertThat(MountInfo.parse("1 0 0:1 / / rw - tmpfs none rw").getFirst().propagation())
        .isEmpty();
  }

  @Test
  void thisMachineHasARootAndProc() {
    assertThat(MountInfo.all())
        .extracting(MountInfo::target)
        .contains(Path.of("/"), Path.of("/proc"));
  }

  @Test
  void aLineThatIsNoneIsSaid() {
    assertThatThrownBy(() -> MountInfo.parse("1 2 3")).hasMessageContaining("1 2 3");
  }
}
