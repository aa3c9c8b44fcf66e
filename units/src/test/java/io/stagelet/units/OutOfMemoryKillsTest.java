package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import java.time.Instant;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class OutOfMemoryKillsTest {
  @Test
  void theTimeOfAnEntryIsRead() {
    assertThat(
            OutOfMemoryKills.timestamp(
                """
                __CURSOR=s=1
                __REALTIME_TIMESTAMP=1700000000123456
                __MONOTONIC_TIMESTAMP=5
                MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef
                """))
        .contains(Instant.parse("2023-11-14T22:13:20.123456Z"));
  }

  @Test
  void withoutAnEntryThereIsNone() {
    assertThat(OutOfMemoryKills.timestamp("")).isEmpty();
  }

  @Test
  void whatTheKernelSaysIsKnownByTheUnitsControlGroup() {
    Pattern told = Pattern.compile(OutOfMemoryKills.toldByKernel(UnitName.of("ctr-a.b-1.service")));
    String line =
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/p/payload/%1$s,task_memcg=/p/payload/%1$s%2$s,task=dd,pid=7,uid=0";

    assertThat(line.formatted("ctr-a.b-1.service", "")).containsPattern(told);
    assertThat(line.formatted("ctr-a.b-1.service", "/exec-3")).containsPattern(told);
    assertThat(line.formatted("ctr-axb-1.service", "")).doesNotContainPattern(told);
    assertThat(line.formatted("ctr-a.b-1.service", "2")).doesNotContainPattern(told);
  }

  @Test
  void whatIsNoTimeIsSaid() {
    assertThatThrownBy(() -> OutOfMemoryKills.timestamp("__REALTIME_TIMESTAMP=soon"))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("soon");
  }
}
