package io.stagelet.cri.configuration;

import java.util.List;
import org.tomlj.Toml;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/**
 * In which line each key of a file is. It is asked about mistakes and by people only: the parser
 * that knows lines is too large to be in the server's memory.
 */
final class Positions {
  private final TomlParseResult parsed;

  private Positions(TomlParseResult parsed) {
    this.parsed = parsed;
  }

  static Positions in(String text) {
    return new Positions(Toml.parse(text));
  }

  /** The line of a key, counted from 1; 0 when it is not known. */
  int line(List<String> path) {
    TomlPosition position = parsed.inputPositionOf(path);
    return position == null ? 0 : position.line();
  }
}
