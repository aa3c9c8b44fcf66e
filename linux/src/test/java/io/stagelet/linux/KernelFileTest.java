package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class KernelFileTest {
  @Test
  void aNumberIsReadWithAllItsDigits() throws Exception {
    // CAP_PERFMON, CAP_BPF and CAP_CHECKPOINT_RESTORE made it 40 in Linux 5.9
    assertThat(Integer.parseInt(KernelFile.text(Path.of("/proc/sys/kernel/cap_last_cap"))))
        .isGreaterThanOrEqualTo(40);
  }

  @Test
  void aLongFileIsReadToItsEnd() throws Exception {
    assertThat(KernelFile.text(Path.of("/proc/self/smaps"))).contains("[vdso]");
  }

  @Test
  void aMissingFileIsSaidToBeMissing() {
    assertThatThrownBy(() -> KernelFile.text(Path.of("/proc/sys/kernel/no-such-parameter")))
        .isInstanceOf(NoSuchFileException.class);
  }
}
