package io.stagelet.cri;

import io.stagelet.cri.command.LogsCommand;
import io.stagelet.cri.command.StoryCommand;
import io.stagelet.journal.JournalLoggers;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.slf4j.bridge.SLF4JBridgeHandler;
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
  private static final Path CONFIGURATION = Path.of("/etc/stagelet/stagelet.toml");

  private Main() {}

  /**
   * Runs the command and exits with its code: 0, 1 when it failed, 2 when it was called wrongly.
   */
  public static void main(String[] arguments) {
    CommandLine command =
        new CommandLine(new Main())
            .addSubcommand(new LogsCommand(Main::journalNamespace))
            .addSubcommand(new StoryCommand(Main::journalNamespace))
            .addSubcommand(new CheckCommand(CONFIGURATION, System.out));
    command.setExecutionExceptionHandler((failure, line, _) -> {
      line.getErr().println("stagelet: " + StageletException.reason(failure));
      if (!(failure instanceof StageletException)) {
        failure.printStackTrace(line.getErr());
      }
      return FAILED;
    });
    System.exit(command.execute(arguments));
  }

  /** Whoever may read the journal need not be able to read the configuration. */
  private static Optional<JournalNamespace> journalNamespace() {
    try {
      return ConfigurationReader.read(CONFIGURATION).output().journalNamespace();
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
    private Path config = CONFIGURATION;

    @Override
    public Integer call() throws InterruptedException {
      Configuration configuration = ConfigurationReader.read(config);
      JournalLoggers.use(configuration.log());
      // gRPC and the JDK log by java.util.logging
      SLF4JBridgeHandler.removeHandlersForRootLogger();
      SLF4JBridgeHandler.install();
      CountDownLatch closed = new CountDownLatch(1);
      Thread main = Thread.currentThread();
      try (CriServer server = new CriServer(configuration, Version.text(), System.getenv())) {
        Runtime.getRuntime()
            .addShutdownHook(
                new Thread(() -> {
                  main.interrupt();
                  await(closed);
                }));
        server.serve();
      } catch (InterruptedException asked) {
        return 0;
      } finally {
        closed.countDown();
      }
      return 0;
    }

    /**
     * The virtual machine ends when its hooks have: the server is taken apart first. Its thread's
     * end is not waited for: that goes on to {@link System#exit}, which waits for the hooks.
     */
    private static void await(CountDownLatch closed) {
      try {
        closed.await();
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** The version in the jar's manifest. */
  static final class Version implements CommandLine.IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {"stagelet " + text()};
    }

    static String text() {
      String version = Main.class.getPackage().getImplementationVersion();
      return version == null ? "development" : version;
    }
  }
}
