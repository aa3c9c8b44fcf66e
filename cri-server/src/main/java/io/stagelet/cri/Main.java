package io.stagelet.cri;

import io.stagelet.cri.command.ConfigCommand;
import io.stagelet.cri.command.LogsCommand;
import io.stagelet.cri.command.StoryCommand;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;

/** The command {@code stagelet}. */
@CommandLine.Command(
    name = "stagelet",
    description = "A Kubernetes container runtime whose pods and containers are systemd units.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    subcommands = Main.Serve.class)
public final class Main {
  private static final int FAILED = 1;

  private Main() {}

  /**
   * Runs the command and exits with its code: 0, 1 when it failed, 2 when it was called wrongly.
   */
  public static void main(String[] arguments) {
    Optional<Path> served = Serving.plain(arguments);
    System.exit(served.isPresent() ? serve(served.get()) : run(arguments));
  }

  /** A server's whole life, without the parser of command lines. */
  private static int serve(Path configuration) {
    try {
      return Serving.serve(configuration);
    } catch (StageletException failure) {
      System.err.println("stagelet: " + StageletException.reason(failure));
      return FAILED;
    }
  }

  private static int run(String[] arguments) {
    CommandLine command =
        new CommandLine(new Main())
            .addSubcommand(new LogsCommand(Main::journalNamespace))
            .addSubcommand(new StoryCommand(Main::journalNamespace))
            .addSubcommand(new CheckCommand(Serving.CONFIGURATION, System.out))
            .addSubcommand(ConfigCommand.line(ConfigurationReader::mistakes));
    command.setExecutionExceptionHandler((failure, line, _) -> {
      line.getErr().println("stagelet: " + StageletException.reason(failure));
      if (!(failure instanceof StageletException)) {
        failure.printStackTrace(line.getErr());
      }
      return FAILED;
    });
    return command.execute(arguments);
  }

  /** Whoever may read the journal need not be able to read the configuration. */
  private static Optional<JournalNamespace> journalNamespace() {
    try {
      return ConfigurationReader.read(Serving.CONFIGURATION).output().journalNamespace();
    } catch (StageletException unreadable) {
      return Optional.empty();
    }
  }

  /** Serves the CRI. */
  @CommandLine.Command(
      name = "serve",
      description = "Serve the CRI on a unix socket until SIGTERM.",
      mixinStandardHelpOptions = true)
  static final class Serve implements Callable<Integer> {
    @CommandLine.Option(
        names = "--config",
        paramLabel = "FILE",
        description =
            "The configuration (default: ${DEFAULT-VALUE}; what it does not say has a default, and so has all when it is absent).")
    private Path config = Serving.CONFIGURATION;

    @Override
    public Integer call() {
      return Serving.serve(config);
    }
  }

  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"stagelet " + ProductVersion.text()};
    }
  }
}
