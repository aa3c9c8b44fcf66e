package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.units.UnitProperty;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * A seccomp profile of the OCI Runtime Specification in the words of {@code systemd.exec(5)}.
 *
 * <p>systemd's filter knows names, not arguments. Of the rules about arguments those are understood
 * for which it has a property that is the same or narrower; any other is refused, with its text.
 */
final class SystemCallProfile {
  private static final int EPERM = 1;
  private static final long NAMESPACE_FLAGS = 0x7E02_0000L;
  private static final Map<Integer, String> FAMILIES = Map.of(40, "AF_VSOCK");
  private static final Map<String, String> ARCHITECTURES =
      Map.of(
          "SCMP_ARCH_X86_64", "x86-64",
          "SCMP_ARCH_X86", "x86",
          "SCMP_ARCH_X32", "x32",
          "SCMP_ARCH_AARCH64", "arm64",
          "SCMP_ARCH_ARM", "arm");

  private SystemCallProfile() {}

  /**
   * The properties that stand for a profile.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with the rule that cannot be said to systemd
   */
  static List<UnitProperty> properties(String profile, ObjectMapper json) {
    JsonNode root = parsed(profile, json);
    if (!root.path("defaultAction").asText().equals("SCMP_ACT_ERRNO")) {
      throw refused("defaultAction " + root.path("defaultAction"));
    }
    List<UnitProperty> properties = new ArrayList<>();
    TreeSet<String> allowed = new TreeSet<>();
    boolean namespaces = false;
    for (JsonNode rule : root.path("syscalls")) {
      List<String> names = new ArrayList<>();
      rule.path("names").forEach(name -> names.add(name.asText()));
      String action = rule.path("action").asText();
      if (action.equals("SCMP_ACT_ERRNO") && names.equals(List.of("clone3"))) {
        // RestrictNamespaces answers it with ENOSYS as well
        namespaces = true;
        continue;
      }
      if (!action.equals("SCMP_ACT_ALLOW")) {
        throw refused(rule.toString());
      }
      if (!rule.path("args").isEmpty()) {
        properties.add(ofArguments(names, rule));
      }
      allowed.addAll(names);
    }
    if (namespaces) {
      allowed.add("clone3");
    }
    List<String> architectures = new ArrayList<>(List.of("native"));
    for (JsonNode architecture : root.path("architectures")) {
      String word = ARCHITECTURES.get(architecture.asText());
      if (word == null) {
        throw refused("architecture " + architecture);
      }
      architectures.add(word);
    }
    properties.add(new UnitProperty.Texts("SystemCallArchitectures", architectures));
    properties.add(
        new UnitProperty.Signed32(
            "SystemCallErrorNumber", root.path("defaultErrnoRet").asInt(EPERM)));
    properties.add(new UnitProperty.SystemCalls("SystemCallFilter", true, List.copyOf(allowed)));
    return properties;
  }

  private static UnitProperty ofArguments(List<String> names, JsonNode rule) {
    JsonNode args = rule.path("args");
    JsonNode first = args.path(0);
    String operator = first.path("op").asText();
    if (args.size() == 1 && first.path("index").asInt() == 0 && names.size() == 1) {
      switch (names.getFirst()) {
        case "clone" -> {
          if (operator.equals("SCMP_CMP_MASKED_EQ")
              && first.path("value").asLong() == NAMESPACE_FLAGS
              && first.path("valueTwo").asLong() == 0) {
            return new UnitProperty.Number64("RestrictNamespaces", 0);
          }
        }
        case "personality" -> {
          if (operator.equals("SCMP_CMP_EQ")) {
            return new UnitProperty.Flag("LockPersonality", true);
          }
        }
        case "socket" -> {
          String family = FAMILIES.get(first.path("value").asInt());
          if (operator.equals("SCMP_CMP_NE") && family != null) {
            return new UnitProperty.SystemCalls("RestrictAddressFamilies", false, List.of(family));
          }
        }
        default -> throw refused(rule.toString());
      }
    }
    throw refused(rule.toString());
  }

  private static JsonNode parsed(String profile, ObjectMapper json) {
    try {
      return json.readTree(profile);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the seccomp profile is not JSON: " + StageletException.reason(failure),
          failure);
    }
  }

  private static StageletException refused(String what) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "the stage1 nspawn cannot express this of the seccomp profile with SystemCallFilter: "
            + what);
  }
}
