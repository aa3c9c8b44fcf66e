package io.stagelet.cri;

import io.stagelet.cri.command.ConfigCommand;
import io.stagelet.cri.command.LogsCommand;
import io.stagelet.cri.command.NodeCommands;
import io.stagelet.cri.command.StatusCommand;
import io.stagelet.cri.command.StoryCommand;
import io.stagelet.cri.command.SupportCommand;
import io.stagelet.cri.command.VersionCommand;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.SecretFilter;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.command.DocumentCommands;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine;

/** The command {@code stagelet}. */
@CommandLine.Command(
    name = "stagelet",
    description = "A Kubernetes container runtime whose pods and containers are systemd units.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExit code: ",
    footer = "0; 1 when it failed or something is wrong; 2 when it was called wrongly.")
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
    CommandLine command = line(arguments.length == 0 ? "" : arguments[0]);
    command.setExecutionExceptionHandler((failure, line, _) -> {
      line.getErr().println("stagelet: " + StageletException.reason(failure));
      if (!(failure instanceof StageletException)) {
        failure.printStackTrace(line.getErr());
      }
      return FAILED;
    });
    return command.execute(arguments);
  }

  /**
   * The command with its subcommands; with one alone when that is asked for, since picocli reads
   * all about each by reflection, which takes longer than most of them.
   */
  static CommandLine line(String asked) {
    Map<String, Supplier<Object>> subcommands = new LinkedHashMap<>();
    Supplier<Path> runDirectory = () -> configured().runDirectory();
    subcommands.put("serve", Serve::new);
    subcommands.put("status", () -> new StatusCommand(runDirectory, () -> configured().socket()));
    NodeCommands.addTo(subcommands, runDirectory);
    subcommands.put("logs", () -> new LogsCommand(Main::journalNamespace));
    subcommands.put("story", () -> new StoryCommand(Main::journalNamespace));
    subcommands.put("check", () -> new CheckCommand(Serving.CONFIGURATION, System.out));
    subcommands.put("config", () -> ConfigCommand.line(ConfigurationReader::mistakes));
    subcommands.put("support", () -> new SupportCommand(runDirectory, SecretFilter::clean));
    subcommands.put("version", () -> new VersionCommand(ProductVersion.text()));
    subcommands.put("completion", DocumentCommands.Completion::new);
    subcommands.put("man", DocumentCommands.Man::new);
    boolean alone =
        subcommands.containsKey(asked) && !asked.equals("completion") && !asked.equals("man");
    CommandLine command = new CommandLine(new Main());
    subcommands.forEach((name, subcommand) -> {
      if (!alone || name.equals(asked)) {
        command.addSubcommand(name, subcommand.get());
      }
    });
    return command;
  }

  /** What is configured, or the defaults where that cannot be read. */
  private static Configuration configured() {
    try {
      return ConfigurationReader.read(Serving.CONFIGURATION);
    } catch (StageletException unreadable) {
      return Configuration.defaults();
    }
  }

  /** Whoever may read the journal need not be able to read the configuration. */
  private static Optional<JournalNamespace> journalNamespace() {
    return configured().output().journalNamespace();
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
