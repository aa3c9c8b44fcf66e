package io.stagelet.cri.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PodSearchTest {
  private static RecordedEntry entry(String uid, String sandbox, long time) {
    Map<String, byte[]> fields = new HashMap<>();
    Map.of(
            "K8S_NAMESPACE_NAME",
            "default",
            "K8S_POD_NAME",
            "web-0",
            "K8S_POD_UID",
            uid,
            "POD_ID",
            sandbox,
            "OBJECT_SYSTEMD_UNIT",
            "pod-" + sandbox + ".service",
            "__REALTIME_TIMESTAMP",
            Long.toString(time))
        .forEach((name, value) -> {
          if (!value.isEmpty()) {
            fields.put(name, value.getBytes(StandardCharsets.UTF_8));
          }
        });
    return new RecordedEntry(fields);
  }

  @Test
  void putsTheSandboxesOfAPodTogether() {
    List<PodInJournal> pods =
        PodSearch.pods(
            List.of(entry("u1", "", 1), entry("u1", "aaaa1111", 2), entry("u1", "bbbb2222", 3)));
    assertThat(pods).hasSize(1);
    assertThat(pods.getFirst().sandboxes()).containsExactlyInAnyOrder("aaaa1111", "bbbb2222");
    assertThat(pods.getFirst().seen()).isEqualTo(Instant.EPOCH.plusNanos(3_000));
  }

  @Test
  void tellsPodsOfOneNameApartByTheirUids() {
    assertThat(PodSearch.pods(List.of(entry("u1", "a", 1), entry("u2", "b", 2))))
        .extracting(PodInJournal::uid)
        .containsExactly("u1", "u2");
  }

  @Test
  void leavesOutWhatIsAboutNoPod() {
    assertThat(PodSearch.pods(List.of(entry("", "a", 1)))).isEmpty();
  }

  @Test
  void aPodIsMeantByItsNameItsUidOrTheBeginOfItsId() {
    PodInJournal pod = PodSearch.pods(List.of(entry("u1", "aaaa1111", 1))).getFirst();
    assertThat(List.of("web-0", "default/web-0", "u1", "aaaa1", "aaaa1111"))
        .allMatch(reference -> PodSearch.isMeant(pod, reference));
    assertThat(List.of("web", "other/web-0", "u", "aaa", "bbbb"))
        .noneMatch(reference -> PodSearch.isMeant(pod, reference));
  }
}
