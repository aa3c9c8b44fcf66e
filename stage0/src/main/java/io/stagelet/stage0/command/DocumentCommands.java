package io.stagelet.stage0.command;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine;

/** The commands that tell about the command: from the same source as its help. */
public final class DocumentCommands {
  private DocumentCommands() {}

  /** Prints a completion script. */
  @CommandLine.Command(
      name = "completion",
      description =
          "Print a completion script for bash and zsh: source <(${ROOT-COMMAND-NAME} completion)",
      mixinStandardHelpOptions = true)
  public static final class Completion implements Callable<Integer> {
    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    @Override
    public Integer call() {
      CommandLine own = java.util.Objects.requireNonNull(spec).commandLine();
      own.getOut().println(AutoComplete.bash(own.getParent().getCommandName(), own.getParent()));
      return 0;
    }
  }

  /** Prints the manual page. */
  @CommandLine.Command(
      name = "man",
      description = "Print the manual page: ${ROOT-COMMAND-NAME} man | man -l -",
      mixinStandardHelpOptions = true)
  public static final class Man implements Callable<Integer> {
    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    @Override
    public Integer call() {
      CommandLine own = java.util.Objects.requireNonNull(spec).commandLine();
      own.getOut().print(ManualPage.of(own.getParent().getCommandSpec()));
      own.getOut().flush();
      return 0;
    }
  }
}
