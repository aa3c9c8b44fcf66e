package io.stagelet.cri.configuration;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a key's value may be. */
public sealed interface ValueType {
  /** Any string. */
  ValueType TEXT = new Text();

  /** An absolute path. */
  ValueType PATH = new AbsolutePath();

  /** True or false. */
  ValueType FLAG = new Flag();

  /** A string or a boolean, as a stage1 has it. */
  ValueType TEXT_OR_FLAG = new Either(TEXT, FLAG);

  /** Strings. */
  ValueType TEXTS = new ListOf(TEXT);

  /** Absolute paths. */
  ValueType PATHS = new ListOf(PATH);

  /** What it is, in a word or two. */
  String words();

  /** What is wrong with a value; empty when nothing is. */
  Optional<String> mistake(JsonNode value);

  /** A string. */
  record Text() implements ValueType {
    @Override
    public String words() {
      return "string";
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      return unless(value.isTextual(), "must be a string, not " + value);
    }
  }

  /** A string that is an absolute path. */
  record AbsolutePath() implements ValueType {
    @Override
    public String words() {
      return "absolute path";
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      return unless(
          value.isTextual() && isAbsolute(value.asText()),
          "must be an absolute path, not " + value);
    }

    private static boolean isAbsolute(String text) {
      try {
        return Path.of(text).isAbsolute();
      } catch (InvalidPathException _) {
        return false;
      }
    }
  }

  /** A boolean. */
  record Flag() implements ValueType {
    @Override
    public String words() {
      return "true or false";
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      return unless(value.isBoolean(), "must be true or false, not " + value);
    }
  }

  /** A value of one type or of another. */
  record Either(ValueType one, ValueType other) implements ValueType {
    @Override
    public String words() {
      return one.words() + ", or " + other.words();
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      return unless(
          one.mistake(value).isEmpty() || other.mistake(value).isEmpty(),
          "must be a %s, not %s".formatted(words(), value));
    }
  }

  /**
   * A whole number.
   *
   * @param unit what is counted; may be empty
   */
  record Whole(long least, long most, String unit) implements ValueType {
    @Override
    public String words() {
      return (unit.isEmpty() ? "number" : unit)
          + (most == Long.MAX_VALUE
              ? ", %d or more".formatted(least)
              : ", %d to %d".formatted(least, most));
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      boolean right =
          value.isIntegralNumber()
              && value.canConvertToLong()
              && value.asLong() >= least
              && value.asLong() <= most;
      return unless(right, "must be a whole number (%s), not %s".formatted(words(), value));
    }
  }

  /** One of some words. */
  record Choice(List<String> choices) implements ValueType {
    /** The choices in their order. */
    public Choice {
      choices = List.copyOf(choices);
    }

    @Override
    public String words() {
      return choices.stream().map("\"%s\""::formatted).collect(Collectors.joining(" or "));
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      return unless(
          value.isTextual() && choices.stream().anyMatch(value.asText()::equalsIgnoreCase),
          "must be %s, not %s".formatted(words(), value));
    }
  }

  /** An array. */
  record ListOf(ValueType item) implements ValueType {
    @Override
    public String words() {
      return "array of %ss".formatted(item.words());
    }

    @Override
    public Optional<String> mistake(JsonNode value) {
      if (!value.isArray()) {
        return Optional.of("must be an %s, not %s".formatted(words(), value));
      }
      for (JsonNode one : value) {
        Optional<String> wrong = item.mistake(one);
        if (wrong.isPresent()) {
          return Optional.of("must be an %s; one of it %s".formatted(words(), wrong.get()));
        }
      }
      return Optional.empty();
    }
  }

  private static Optional<String> unless(boolean right, String words) {
    return right ? Optional.empty() : Optional.of(words);
  }
}
