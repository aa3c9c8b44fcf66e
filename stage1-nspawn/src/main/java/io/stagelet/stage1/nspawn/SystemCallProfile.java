package io.stagelet.stage1.nspawn;

import io.stagelet.linux.SeccompFilter.Action;
import io.stagelet.linux.SeccompFilter.Comparison;
import io.stagelet.linux.SeccompFilter.Condition;
import io.stagelet.linux.SeccompFilter.Verdict;
import io.stagelet.units.UnitProperty;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * A seccomp profile in the words of {@code systemd.exec(5)}.
 *
 * <p>systemd's filter knows names, not arguments. Of the rules about arguments those are understood
 * for which it has a property that is the same or narrower.
 */
final class SystemCallProfile {
  private static final int ENOSYS = 38;
  private static final long NAMESPACE_FLAGS = 0x7E02_0000L;
  private static final Map<Long, String> FAMILIES = Map.of(40L, "AF_VSOCK");
  private static final Map<String, String> ARCHITECTURES =
      Map.of(
          "X86_64", "x86-64",
          "X86", "x86",
          "X32", "x32",
          "AARCH64", "arm64",
          "ARM", "arm");

  private SystemCallProfile() {}

  /** The properties that stand for a profile; empty when there are none that do. */
  static Optional<List<UnitProperty>> properties(SeccompProfile profile) {
    Optional<List<UnitProperty>> filter =
        switch (profile.otherwise().action()) {
          case ERRNO -> allowed(profile);
          case ALLOW -> forbidden(profile);
          case LOG, TRACE, TRAP, KILL_THREAD, KILL_PROCESS -> Optional.empty();
        };
    List<String> architectures = new ArrayList<>(List.of("native"));
    for (String architecture : profile.architectures()) {
      String word = ARCHITECTURES.get(architecture);
      if (word == null) {
        return Optional.empty();
      }
      architectures.add(word);
    }
    return filter.map(properties -> {
      List<UnitProperty> all = new ArrayList<>(properties);
      all.add(new UnitProperty.Texts("SystemCallArchitectures", architectures));
      return all;
    });
  }

  /** Where only what is named may be done. */
  private static Optional<List<UnitProperty>> allowed(SeccompProfile profile) {
    List<UnitProperty> properties = new ArrayList<>();
    TreeSet<String> allowed = new TreeSet<>();
    boolean namespaces = false;
    for (SeccompProfile.Rule rule : profile.rules()) {
      if (rule.verdict().equals(new Verdict(Action.ERRNO, ENOSYS))
          && rule.names().equals(List.of("clone3"))
          && rule.conditions().isEmpty()) {
        // RestrictNamespaces answers it with ENOSYS as well
        namespaces = true;
        continue;
      }
      if (rule.verdict().action() != Action.ALLOW) {
        return Optional.empty();
      }
      if (!rule.conditions().isEmpty()) {
        Optional<UnitProperty> property = ofArguments(rule);
        if (property.isEmpty()) {
          return Optional.empty();
        }
        properties.add(property.get());
      }
      allowed.addAll(rule.names());
    }
    if (namespaces) {
      allowed.add("clone3");
    }
    properties.add(new UnitProperty.Signed32("SystemCallErrorNumber", profile.otherwise().data()));
    properties.add(new UnitProperty.SystemCalls("SystemCallFilter", true, List.copyOf(allowed)));
    return Optional.of(properties);
  }

  /** Where all may be done but what is named; each call has its own answer there. */
  private static Optional<List<UnitProperty>> forbidden(SeccompProfile profile) {
    TreeSet<String> forbidden = new TreeSet<>();
    for (SeccompProfile.Rule rule : profile.rules()) {
      if (!rule.conditions().isEmpty()) {
        return Optional.empty();
      }
      switch (rule.verdict().action()) {
        case ALLOW -> {}
        case ERRNO ->
            rule.names().forEach(name -> forbidden.add(name + ":" + rule.verdict().data()));
        case KILL_PROCESS -> rule.names().forEach(name -> forbidden.add(name + ":kill"));
        case LOG, TRACE, TRAP, KILL_THREAD -> {
          return Optional.empty();
        }
      }
    }
    return Optional.of(
        forbidden.isEmpty()
            ? List.of()
            : List.of(
                new UnitProperty.SystemCalls("SystemCallFilter", false, List.copyOf(forbidden))));
  }

  private static Optional<UnitProperty> ofArguments(SeccompProfile.Rule rule) {
    Condition first = rule.conditions().getFirst();
    if (rule.conditions().size() > 1 || first.argument() != 0 || rule.names().size() != 1) {
      return Optional.empty();
    }
    Comparison comparison = first.comparison();
    return switch (rule.names().getFirst()) {
      case "clone" ->
          comparison == Comparison.MASKED_EQ
                  && first.value() == NAMESPACE_FLAGS
                  && first.second() == 0
              ? Optional.of(new UnitProperty.Number64("RestrictNamespaces", 0))
              : Optional.empty();
      case "personality" ->
          comparison == Comparison.EQ
              ? Optional.of(new UnitProperty.Flag("LockPersonality", true))
              : Optional.empty();
      case "socket" ->
          comparison == Comparison.NE && FAMILIES.containsKey(first.value())
              ? Optional.of(
                  new UnitProperty.SystemCalls(
                      "RestrictAddressFamilies", false, List.of(FAMILIES.get(first.value()))))
              : Optional.empty();
      default -> Optional.empty();
    };
  }
}
