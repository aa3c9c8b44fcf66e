package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SeccompDefaultTest {
  private final SeccompDefault profiles = new SeccompDefault("x86_64");

  @Test
  void whatIsNotNamedFailsWithEperm() throws Exception {
    JsonNode profile = profile(List.of());

    assertThat(profile.path("defaultAction").asText()).isEqualTo("SCMP_ACT_ERRNO");
    assertThat(profile.path("defaultErrnoRet").asInt()).isEqualTo(1);
    assertThat(allowed(profile, false))
        .contains("read", "execve", "arch_prctl")
        .doesNotContain("mount", "bpf", "kexec_load", "keyctl", "userfaultfd", "cacheflush");
  }

  @Test
  void aCapabilityAllowsItsCalls() throws Exception {
    assertThat(allowed(profile(List.of("CAP_SYS_ADMIN")), false))
        .contains("mount", "bpf", "clone3");
    assertThat(allowed(profile(List.of("CAP_BPF")), false)).contains("bpf").doesNotContain("mount");
  }

  @Test
  void namespacesAreForAdministratorsAlone() throws Exception {
    JsonNode profile = profile(List.of());

    JsonNode clone = rule(profile, "clone");
    assertThat(clone.path("args").get(0).path("value").asLong()).isEqualTo(0x7E02_0000L);
    JsonNode clone3 = rule(profile, "clone3");
    assertThat(clone3.path("action").asText()).isEqualTo("SCMP_ACT_ERRNO");
    assertThat(clone3.path("errnoRet").asInt()).as("so that C libraries try clone").isEqualTo(38);
  }

  @Test
  void aSocketOfAVirtualMachinesHostIsNotToBeHad() throws Exception {
    JsonNode argument = rule(profile(List.of()), "socket").path("args").get(0);

    assertThat(argument.path("op").asText()).isEqualTo("SCMP_CMP_NE");
    assertThat(argument.path("value").asInt()).isEqualTo(40);
  }

  private JsonNode profile(List<String> capabilities) throws Exception {
    return new ObjectMapper().readTree(profiles.profile(capabilities));
  }

  private static JsonNode rule(JsonNode profile, String call) {
    for (JsonNode rule : profile.path("syscalls")) {
      if (rule.path("names").size() == 1 && rule.path("names").get(0).asText().equals(call)) {
        return rule;
      }
    }
    throw new AssertionError("no rule for " + call + " alone");
  }

  private static List<String> allowed(JsonNode profile, boolean conditional) {
    List<String> names = new ArrayList<>();
    for (JsonNode rule : profile.path("syscalls")) {
      if (rule.path("action").asText().equals("SCMP_ACT_ALLOW")
          && rule.has("args") == conditional) {
        rule.path("names").forEach(name -> names.add(name.asText()));
      }
    }
    return names;
  }
}
