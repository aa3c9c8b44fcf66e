package io.stagelet.units;

import java.util.List;

/**
 * A command of a service.
 *
 * @param argv the program's absolute path, or its name to be looked for in {@code ExecSearchPath},
 *     and all its arguments (the program is its argument 0); taken as they are: no shell, no
 *     variables, no specifiers
 * @param ignoreFailure whether its failure counts as success
 */
public record ExecCommand(List<String> argv, boolean ignoreFailure) {
  public ExecCommand {
    argv = List.copyOf(argv);
    if (argv.isEmpty()
        || argv.getFirst().isEmpty()
        || (argv.getFirst().contains("/") && !argv.getFirst().startsWith("/"))) {
      throw new IllegalArgumentException(
          "the program of the command %s is no absolute path, and no name without a slash"
              .formatted(argv));
    }
    for (String argument : argv) {
      if (argument.indexOf('\0') >= 0) {
        throw new IllegalArgumentException(
            "an argument of %s has a zero character".formatted(argv.getFirst()));
      }
    }
  }
}
