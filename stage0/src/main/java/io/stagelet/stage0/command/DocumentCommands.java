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
          "Print a completion script: source <(${ROOT-COMMAND-NAME} completion), or with --shell zsh into a file _${ROOT-COMMAND-NAME} of a folder in $fpath.",
      mixinStandardHelpOptions = true)
  public static final class Completion implements Callable<Integer> {
    /** Whose completion. */
    enum Shell {
      bash,
      zsh
    }

    @CommandLine.Option(
        names = "--shell",
        paramLabel = "SHELL",
        description = "bash (the default) or zsh.")
    private Shell shell = Shell.bash;

    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    @Override
    public Integer call() {
      CommandLine own = java.util.Objects.requireNonNull(spec).commandLine();
      CommandLine parent = own.getParent();
      own.getOut()
          .println(
              switch (shell) {
                case bash -> AutoComplete.bash(parent.getCommandName(), parent);
                case zsh -> ZshCompletion.of(parent.getCommandSpec());
              });
      own.getOut().flush();
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
