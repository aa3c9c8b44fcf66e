package io.stagelet.stage1.nspawn;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.SeccompFilter;
import io.stagelet.linux.SeccompFilter.Action;
import io.stagelet.linux.SeccompFilter.Comparison;
import io.stagelet.linux.SeccompFilter.Condition;
import io.stagelet.linux.SeccompFilter.Verdict;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A seccomp profile of the OCI Runtime Specification.
 *
 * @param otherwise what becomes of calls that no rule is about
 * @param architectures beside this machine's, as {@code SCMP_ARCH_…} ends
 */
record SeccompProfile(Verdict otherwise, List<String> architectures, List<Rule> rules) {
  private static final int EPERM = 1;
  private static final String ACTION = "SCMP_ACT_";
  private static final String ARCHITECTURE = "SCMP_ARCH_";
  private static final String COMPARISON = "SCMP_CMP_";

  SeccompProfile {
    architectures = List.copyOf(architectures);
    rules = List.copyOf(rules);
  }

  /**
   * What becomes of some calls.
   *
   * @param text the rule as it was written, for whoever is to be told of it
   */
  record Rule(List<String> names, Verdict verdict, List<Condition> conditions, String text) {
    Rule {
      names = List.copyOf(names);
      conditions = List.copyOf(conditions);
    }
  }

  /**
   * Reads one.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} with the rule that is not understood
   */
  static SeccompProfile of(String profile, ObjectMapper json) {
    JsonNode root = parsed(profile, json);
    Verdict otherwise =
        verdict(root.path("defaultAction"), root.path("defaultErrnoRet"), "its defaultAction");
    List<String> architectures = new ArrayList<>();
    for (JsonNode architecture : root.path("architectures")) {
      architectures.add(ending(architecture, ARCHITECTURE, architecture.toString()));
    }
    List<Rule> rules = new ArrayList<>();
    for (JsonNode rule : root.path("syscalls")) {
      rules.add(rule(rule));
    }
    return new SeccompProfile(otherwise, architectures, rules);
  }

  private static Rule rule(JsonNode rule) {
    String text = rule.toString();
    List<String> names = new ArrayList<>();
    rule.path("names").forEach(name -> names.add(name.asText()));
    List<Condition> conditions = new ArrayList<>();
    for (JsonNode argument : rule.path("args")) {
      String word = ending(argument.path("op"), COMPARISON, text);
      Comparison comparison =
          List.of(Comparison.values()).stream()
              .filter(known -> known.name().equals(word))
              .findFirst()
              .orElseThrow(() -> refused(text));
      conditions.add(
          new Condition(
              argument.path("index").asInt(),
              comparison,
              argument.path("value").asLong(),
              argument.path("valueTwo").asLong()));
    }
    return new Rule(
        names, verdict(rule.path("action"), rule.path("errnoRet"), text), conditions, text);
  }

  private static Verdict verdict(JsonNode action, JsonNode number, String text) {
    Action understood =
        switch (ending(action, ACTION, text)) {
          case "ALLOW" -> Action.ALLOW;
          case "LOG" -> Action.LOG;
          case "TRACE" -> Action.TRACE;
          case "ERRNO" -> Action.ERRNO;
          case "TRAP" -> Action.TRAP;
          case "KILL", "KILL_THREAD" -> Action.KILL_THREAD;
          case "KILL_PROCESS" -> Action.KILL_PROCESS;
          default -> throw refused(text + " (" + action.asText() + ")");
        };
    return new Verdict(understood, number.asInt(EPERM));
  }

  private static String ending(JsonNode word, String prefix, String text) {
    if (!word.asText().startsWith(prefix)) {
      throw refused(text);
    }
    return word.asText().substring(prefix.length());
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

  static StageletException refused(String what) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "the stage1 nspawn cannot do this of the seccomp profile: " + what);
  }

  /**
   * Writes the program that the kernel takes. Several conditions on one argument are alternatives,
   * as the OCI runtimes have it; those on different ones must all hold.
   */
  void writeTo(Path file) {
    try (SeccompFilter filter = SeccompFilter.of(otherwise)) {
      architectures.forEach(filter::architecture);
      for (Rule rule : rules) {
        long arguments = rule.conditions().stream().map(Condition::argument).distinct().count();
        List<List<Condition>> together =
            arguments == rule.conditions().size()
                ? List.of(rule.conditions())
                : rule.conditions().stream().map(List::of).toList();
        for (String name : rule.names()) {
          together.forEach(conditions -> filter.rule(name, rule.verdict(), conditions));
        }
      }
      filter.writeTo(file);
    }
  }
}
