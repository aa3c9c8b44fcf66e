package io.stagelet.cri;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * The seccomp profile RuntimeDefault, as the section {@code linux.seccomp} of the OCI Runtime
 * Specification. What it allows is listed in {@code seccomp-default.txt}; here are the calls whose
 * arguments matter.
 */
final class SeccompDefault {
  private static final String LIST = "seccomp-default.txt";
  private static final String ADMINISTRATOR = "CAP_SYS_ADMIN";
  private static final int EPERM = 1;
  private static final int ENOSYS = 38;

  /** All flags of {@code clone(2)} that make a namespace. */
  private static final long NAMESPACE_FLAGS = 0x7E02_0000L;

  /** {@code personality(2)}: Linux, 32 bits, with legacy addresses or not, and the question. */
  private static final List<Long> PERSONALITIES =
      List.of(0L, 0x8L, 0x2_0000L, 0x2_0008L, 0xffff_ffffL);

  /** A virtual machine's socket reaches its host, which no network policy sees. */
  private static final long AF_VSOCK = 40;

  /**
   * A line of the list.
   *
   * @param capabilities one of which the container must have; empty for every container
   * @param machine on which alone; empty for every one
   */
  private record Rule(List<String> capabilities, String machine, List<String> calls) {
    boolean holds(Collection<String> had, String here) {
      return (capabilities.isEmpty() || capabilities.stream().anyMatch(had::contains))
          && (machine.isEmpty() || machine.equals(here));
    }
  }

  private final JsonNodeFactory nodes = JsonNodeFactory.instance;
  private final String machine;
  private final List<Rule> rules;

  /**
   * Reads the list.
   *
   * @param machine as {@code uname -m} says it
   */
  SeccompDefault(String machine) {
    this.machine = machine;
    try (InputStream list = SeccompDefault.class.getResourceAsStream(LIST)) {
      if (list == null) {
        throw new IOException("it is not in this build");
      }
      this.rules =
          new String(list.readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(line -> !line.isBlank() && !line.startsWith("#"))
              .map(SeccompDefault::rule)
              .toList();
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read %s: %s".formatted(LIST, StageletException.reason(failure)),
          failure);
    }
  }

  private static Rule rule(String line) {
    int colon = line.indexOf(':');
    List<String> calls = List.of(line.substring(colon + 1).strip().split(" +"));
    if (colon < 0) {
      return new Rule(List.of(), "", calls);
    }
    String condition = line.substring(0, colon);
    return condition.startsWith("on ")
        ? new Rule(List.of(), condition.substring("on ".length()), calls)
        : new Rule(Arrays.asList(condition.split(" or ")), "", calls);
  }

  /**
   * The profile's JSON for a container.
   *
   * @param capabilities those it has, with {@code CAP_} before each
   */
  String profile(Collection<String> capabilities) {
    ObjectNode profile = nodes.objectNode();
    profile.put("defaultAction", "SCMP_ACT_ERRNO").put("defaultErrnoRet", EPERM);
    profile.set("architectures", strings(architectures()));
    ArrayNode syscalls = profile.putArray("syscalls");
    Set<String> allowed = new TreeSet<>();
    rules.stream()
        .filter(rule -> rule.holds(capabilities, machine))
        .forEach(rule -> allowed.addAll(rule.calls()));
    allow(syscalls, allowed);
    for (long personality : PERSONALITIES) {
      condition(allow(syscalls, List.of("personality")), 0, "SCMP_CMP_EQ", personality);
    }
    condition(allow(syscalls, List.of("socket")), 0, "SCMP_CMP_NE", AF_VSOCK);
    if (!capabilities.contains(ADMINISTRATOR)) {
      ObjectNode clone = allow(syscalls, List.of("clone"));
      condition(clone, 0, "SCMP_CMP_MASKED_EQ", NAMESPACE_FLAGS).put("valueTwo", 0);
      // its flags are in memory, out of a filter's sight: C libraries fall back to clone
      syscalls
          .addObject()
          .put("action", "SCMP_ACT_ERRNO")
          .put("errnoRet", ENOSYS)
          .set("names", strings(List.of("clone3")));
    }
    return profile.toString();
  }

  private List<String> architectures() {
    return switch (machine) {
      case "x86_64" -> List.of("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32");
      case "aarch64" -> List.of("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM");
      default -> List.of();
    };
  }

  private ObjectNode allow(ArrayNode syscalls, Collection<String> names) {
    ObjectNode rule = syscalls.addObject();
    rule.set("names", strings(new ArrayList<>(names)));
    return rule.put("action", "SCMP_ACT_ALLOW");
  }

  private static ObjectNode condition(ObjectNode rule, int argument, String operator, long value) {
    return rule.withArray("args")
        .addObject()
        .put("index", argument)
        .put("value", value)
        .put("op", operator);
  }

  private ArrayNode strings(List<String> values) {
    ArrayNode array = nodes.arrayNode();
    values.forEach(array::add);
    return array;
  }
}
