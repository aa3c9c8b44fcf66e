package io.stagelet.cri.configuration;

import java.util.List;

/**
 * One key.
 *
 * @param name its dotted name; a part in capitals stands for any: {@code handlers.NAME.stage1}
 * @param standard its value when no file gives one, as TOML; empty for none
 * @param description a sentence or two, without Markdown
 */
public record ConfigurationKey(
    String name, ValueType type, String standard, Effect effect, String description) {
  /** The parts of its name. */
  List<String> parts() {
    return List.of(name.split("\\."));
  }

  /** The name of the table it is in; empty for the root. */
  String table() {
    int dot = name.lastIndexOf('.');
    return dot < 0 ? "" : name.substring(0, dot);
  }

  /** Its name in that table. */
  String bareName() {
    return name.substring(name.lastIndexOf('.') + 1);
  }

  /** Whether this is the key of a path in a file. */
  boolean matches(List<String> path) {
    List<String> parts = parts();
    if (parts.size() != path.size()) {
      return false;
    }
    for (int i = 0; i < path.size(); i++) {
      if (!stands(parts.get(i), path.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** Whether a path in a file is of a table around this key. */
  boolean isBelow(List<String> path) {
    List<String> parts = parts();
    if (parts.size() <= path.size()) {
      return false;
    }
    for (int i = 0; i < path.size(); i++) {
      if (!stands(parts.get(i), path.get(i))) {
        return false;
      }
    }
    return true;
  }

  /** Whether a part of a key's name stands for any. */
  static boolean standsForAny(String part) {
    return part.chars().allMatch(letter -> letter >= 'A' && letter <= 'Z');
  }

  private static boolean stands(String part, String actual) {
    return standsForAny(part) || part.equals(actual);
  }
}
