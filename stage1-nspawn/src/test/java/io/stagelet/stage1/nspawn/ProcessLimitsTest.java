package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProcessLimitsTest {
  private static final String LIMITS =
      """
      Limit                     Soft Limit           Hard Limit           Units
      Max cpu time              unlimited            unlimited            seconds
      Max core file size        0                    unlimited            bytes
      Max open files            1024                 524288               files
      Max nice priority         0                    0
      """;

  @Test
  void everyLimitBecomesAnOption() {
    assertThat(ProcessLimits.options(LIMITS, ""))
        .containsExactly(
            "--cpu=unlimited:unlimited",
            "--core=0:unlimited",
            "--nofile=1024:524288",
            "--nice=0:0");
  }

  @Test
  void noneIsAboveWhatThisProcessMayGive() {
    String own =
        """
        Max core file size        0                    0                    bytes
        Max open files            4096                 512                  files
        """;

    assertThat(ProcessLimits.options(LIMITS, own))
        .containsExactly(
            "--cpu=unlimited:unlimited", "--core=0:0", "--nofile=512:512", "--nice=0:0");
  }

  @Test
  void thisProcessesOwnAreUnderstood() {
    assertThat(ProcessLimits.options((int) ProcessHandle.current().pid())).hasSize(16);
  }
}
