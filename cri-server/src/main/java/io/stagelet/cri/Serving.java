package io.stagelet.cri;

import io.stagelet.journal.JournalLoggers;
import io.stagelet.units.Units;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.slf4j.bridge.SLF4JBridgeHandler;

/** What {@code stagelet serve} does. */
final class Serving {
  /** Where the configuration is when nobody says so. */
  static final Path CONFIGURATION = Path.of("/etc/stagelet/stagelet.toml");

  private Serving() {}

  /**
   * The configuration's file, when these are a service's plain arguments: {@code serve}, or {@code
   * serve --config FILE}. Whatever else there is, help or a mistake, is for the command line's
   * parser, which a server does without: it would stay in its memory.
   */
  static Optional<Path> plain(String[] arguments) {
    return switch (List.of(arguments)) {
      case List<String> alone when alone.equals(List.of("serve")) -> Optional.of(CONFIGURATION);
      case List<String> three
          when three.size() == 3
              && three.subList(0, 2).equals(List.of("serve", "--config"))
              && !three.getLast().startsWith("-") ->
          Optional.of(Path.of(three.getLast()));
      case List<String> _ -> Optional.empty();
    };
  }

  /**
   * Serves the CRI until SIGTERM.
   *
   * @return the exit code
   * @throws io.stagelet.linux.StageletException when it cannot
   */
  static int serve(Path config) {
    // needs nothing that is configured
    Ahead<Units> units = Ahead.of("the connection to systemd", Units::connect);
    LiveConfiguration configuration = LiveConfiguration.read(config);
    JournalLoggers.use(configuration.now().log());
    // gRPC and the JDK log by java.util.logging
    SLF4JBridgeHandler.removeHandlersForRootLogger();
    SLF4JBridgeHandler.install();
    CountDownLatch closed = new CountDownLatch(1);
    Thread main = Thread.currentThread();
    try (CriServer server =
        new CriServer(units, configuration, ProductVersion.text(), System.getenv())) {
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(() -> {
                main.interrupt();
                await(closed);
              }));
      // what only the start needed is given back; from now on the heap grows with the pods
      System.gc();
      server.serve();
    } catch (InterruptedException asked) {
      return 0;
    } finally {
      closed.countDown();
    }
    return 0;
  }

  /**
   * The virtual machine ends when its hooks have: the server is taken apart first. Its thread's end
   * is not waited for: that goes on to {@link System#exit}, which waits for the hooks.
   */
  private static void await(CountDownLatch closed) {
    try {
      closed.await();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
