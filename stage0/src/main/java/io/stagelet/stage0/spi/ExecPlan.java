package io.stagelet.stage0.spi;

import java.util.List;

/**
 * A process to run in a container: its first, or one that joins it.
 *
 * @param arguments the program and its arguments; at least one
 * @param environment {@code NAME=value} each
 * @param workingDirectory an absolute path
 * @param user numeric, from the image's own user database
 * @param terminal whether it gets a terminal
 * @param noNewPrivileges whether it can gain none through set-user-ID programs and the like
 */
public record ExecPlan(
    List<String> arguments,
    List<String> environment,
    String workingDirectory,
    User user,
    boolean terminal,
    boolean noNewPrivileges) {
  public ExecPlan {
    arguments = List.copyOf(arguments);
    environment = List.copyOf(environment);
  }

  /** Who a process runs as. */
  public record User(long uid, long gid, List<Long> additionalGroups) {
    public User {
      additionalGroups = List.copyOf(additionalGroups);
    }
  }

  /**
   * This process with other arguments and terminal: what joins a container runs as its first
   * process does.
   */
  public ExecPlan with(List<String> otherArguments, boolean otherTerminal) {
    return new ExecPlan(
        otherArguments, environment, workingDirectory, user, otherTerminal, noNewPrivileges);
  }
}
