package io.stagelet.stage0.spi;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.regex.Pattern;

/** The id of a pod sandbox: 64 lower-case hexadecimal digits, made by the server. */
public record SandboxId(@JsonValue String value) implements Comparable<SandboxId> {
  private static final Pattern FORM = Pattern.compile("[0-9a-f]{64}");

  @JsonCreator
  public SandboxId {
    if (!FORM.matcher(value).matches()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' is not an id of a pod sandbox (64 hexadecimal digits)".formatted(value));
    }
  }

  /** The first 12 digits, which unit names and messages show. */
  public String shortened() {
    return value.substring(0, 12);
  }

  @Override
  public int compareTo(SandboxId other) {
    return value.compareTo(other.value);
  }

  @Override
  public String toString() {
    return value;
  }
}
