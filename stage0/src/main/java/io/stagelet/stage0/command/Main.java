package io.stagelet.stage0.command;

import io.stagelet.linux.StageletException;
import picocli.CommandLine;

/** The command {@code stage0}. */
@CommandLine.Command(
    name = "stage0",
    description = "Pull, keep, check and mount the images of this node.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExit code: ",
    footer =
        "0; 1 when it failed or, of check, when there is damage; 2 when it was called wrongly.",
    subcommands = {
      ImageCommands.Pull.class,
      ImageCommands.ListImages.class,
      ImageCommands.Show.class,
      ImageCommands.Remove.class,
      ImageCommands.Prune.class,
      ImageCommands.Check.class,
      ImageCommands.Mount.class,
      ImageCommands.Unmount.class,
      ImageCommands.Import.class,
      ImageCommands.Export.class,
      DocumentCommands.Completion.class,
      DocumentCommands.Man.class
    })
public final class Main {
  private static final int FAILED = 1;

  private Main() {}

  /** Runs the command and exits with its code. */
  public static void main(String[] arguments) {
    System.exit(line().execute(arguments));
  }

  /** The whole command, ready to be run. */
  public static CommandLine line() {
    CommandLine command = new CommandLine(new Main());
    command.setExecutionExceptionHandler((failure, line, _) -> {
      line.getErr().println("stage0: " + StageletException.reason(failure));
      if (!(failure instanceof StageletException)) {
        failure.printStackTrace(line.getErr());
      }
      return FAILED;
    });
    return command;
  }

  /** The version in the jar's manifest. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {"stage0 " + (version == null ? "development" : version)};
    }
  }
}
